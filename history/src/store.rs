//! Where the files are: a folder, or a bucket of Google, Amazon or Azure.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use purser::blob::Blob;
use url::Url;
use uuid::Uuid;

/// The store of the history. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    blob: Blob,
    url: Url,
}

/// The object that says whose history the store holds.
const MARK: &str = "history.id";

impl Store {
    /// Opens `file:///…`, `gs://…`, `s3://…`, `az://…`, or a folder, which is made when missing. Credentials of
    /// buckets come from the environment, by each vendor's names.
    ///
    /// # Errors
    /// When the address is none of these, or the folder cannot be made.
    pub fn open(address: &str) -> anyhow::Result<Self> {
        let open = || {
            let Some(folder) = folder(address) else {
                let url = Url::parse(&format!("{}/", address.trim_end_matches('/')))?;
                return anyhow::Ok(Store { blob: Blob::at(address)?, url });
            };
            let blob = Blob::at(folder.to_str().context("the name of the folder is no text")?)?;
            let url = Url::from_directory_path(folder.canonicalize()?).ok();
            Ok(Store { blob, url: url.context("no folder")? })
        };
        open().with_context(|| format!("the history at {address} cannot be used"))
    }

    /// Marks the store as that of this history, unless it is marked.
    ///
    /// # Errors
    /// When it is marked as that of another, or does not work.
    pub async fn claim(&self, history: Uuid) -> anyhow::Result<()> {
        let mark = Bytes::from(format!("{history}\n"));
        let found = match self.blob.find(MARK).await? {
            Some(found) => found,
            None => {
                self.blob.put(MARK, mark.clone()).await?;
                mark.clone()
            }
        };
        ensure!(found == mark, "{} is the history of another database", self.url);
        Ok(())
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

/// The folder that an address names, be it as a URL, in which a blank is `%20`.
fn folder(address: &str) -> Option<PathBuf> {
    let url = Url::parse(address).ok().filter(|url| url.scheme() == "file");
    url.and_then(|url| url.to_file_path().ok()).or_else(|| Blob::folder_of(address).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_store_opens_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("all of 100%");
        let store = Store::open(named.to_str().unwrap()).unwrap();
        let again = Store::open(store.url().as_str()).unwrap();
        assert_eq!((again.url(), again.blob().place()), (store.url(), store.blob().place()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
