//! The blob store, whatever it is: a folder, or a bucket of Google, Amazon or Azure.

use std::path::Path as FilePath;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};
use url::Url;

/// A place for objects. Clones share it.
#[derive(Debug, Clone)]
pub struct Blob {
    store: Arc<dyn ObjectStore>,
    place: String,
}

impl Blob {
    /// Opens `file:///…`, `gs://…`, `s3://…`, `az://…`, or a folder, which is made when missing.
    /// Credentials of buckets come from the environment, by each vendor's names.
    ///
    /// # Errors
    /// When the address is none of these, or the folder cannot be made.
    pub fn open(address: &str) -> anyhow::Result<Self> {
        Self::at(address).with_context(|| format!("BLOB_URL {address} cannot be used"))
    }

    /// [`Blob::open`] of an address that is no `BLOB_URL`.
    ///
    /// # Errors
    /// As there.
    pub fn at(address: &str) -> anyhow::Result<Self> {
        match Self::folder_of(address) {
            Some(folder) => Self::folder(FilePath::new(folder)),
            None => Self::bucket(address),
        }
    }

    /// The folder that an address names, unless it names a bucket.
    #[must_use]
    pub fn folder_of(address: &str) -> Option<&str> {
        address.strip_prefix("file://").or_else(|| (!address.contains("://")).then_some(address))
    }

    fn folder(folder: &FilePath) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        // Without fsync a power loss would leave an empty file behind a shipped dead letter.
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Blob { store: Arc::new(store), place: folder.display().to_string() })
    }

    fn bucket(address: &str) -> anyhow::Result<Self> {
        let url = Url::parse(address)?;
        let environment = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, prefix) = object_store::parse_url_opts(&url, environment)?;
        Ok(Blob { store: Arc::new(PrefixStore::new(store, prefix)), place: address.to_owned() })
    }

    /// Where it is, for people.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Writes an object, in place of the one that has this name. It is durable when this returns.
    ///
    /// # Errors
    /// When the store does not say that it is.
    pub async fn put(&self, object: &str, bytes: Bytes) -> object_store::Result<()> {
        self.store.put(&Path::from(object), bytes.into()).await.map(drop)
    }

    /// Writes an object that is too large to be held, in place of the one that has this name. It is durable once the
    /// writer was shut down; one that is dropped before leaves nothing under the name.
    #[must_use]
    pub fn writer(&self, object: &str) -> BufWriter {
        BufWriter::new(Arc::clone(&self.store), Path::from(object))
    }

    /// The objects below a folder, and how many bytes each has, in no order.
    pub fn list(&self, folder: &str) -> BoxStream<'static, object_store::Result<(String, u64)>> {
        let found = self.store.list(Some(&Path::from(folder)));
        found.map_ok(|object| (object.location.to_string(), object.size)).boxed()
    }

    /// Whether there is an object of this name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn has(&self, object: &str) -> object_store::Result<bool> {
        match self.store.head(&Path::from(object)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When there is none of this name, or the store does not answer.
    pub async fn get(&self, object: &str) -> object_store::Result<Bytes> {
        self.store.get(&Path::from(object)).await?.bytes().await
    }

    /// Reads an object, if there is one of this name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(&self, object: &str) -> object_store::Result<Option<Bytes>> {
        match self.get(object).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes an object. One that is not there is removed.
    ///
    /// # Errors
    /// When the store does not say that it is.
    pub async fn delete(&self, object: &str) -> object_store::Result<()> {
        match self.store.delete(&Path::from(object)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            deleted => deleted,
        }
    }
}
