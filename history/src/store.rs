//! Where the files are: a folder, or a bucket of Google, Amazon or Azure.

use std::path::Path;

use anyhow::Context as _;
use purser::blob::Blob;
use url::Url;

/// The store of the history. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    blob: Blob,
    url: Url,
}

impl Store {
    /// Opens `file:///…`, `gs://…`, `s3://…`, `az://…`, or a folder, which is made when missing. Credentials of
    /// buckets come from the environment, by each vendor's names.
    ///
    /// # Errors
    /// When the address is none of these, or the folder cannot be made.
    pub fn open(address: &str) -> anyhow::Result<Self> {
        let open = || {
            let blob = Blob::at(address)?;
            let url = match Blob::folder_of(address) {
                Some(folder) => Url::from_directory_path(Path::new(folder).canonicalize()?).ok(),
                None => Some(Url::parse(&format!("{}/", address.trim_end_matches('/')))?),
            };
            anyhow::Ok(Store { blob, url: url.context("no folder")? })
        };
        open().with_context(|| format!("the history at {address} cannot be used"))
    }

    /// Its address, in one spelling, with a slash at its end: what `history.url` holds.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its objects, named by the paths of the catalog.
    #[must_use]
    pub fn blob(&self) -> &Blob {
        &self.blob
    }
}
