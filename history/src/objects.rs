//! The objects of the history as DataFusion reads them.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use object_store_of_datafusion::{ObjectStore, parse_url_opts};
use url::Url;

/// Everything that a session registers under the scheme and host of this address: all files of this machine, or a
/// bucket of Google, Amazon or Azure, whole, whatever folder of it the address names. Credentials come from the
/// environment, by each vendor's names, as they do for [`Store`](crate::store::Store).
///
/// # Errors
/// When the address is none of `file:///…`, `gs://…`, `s3://…` and `az://…`, or what the environment says of the
/// bucket makes no sense.
pub fn objects(url: &Url) -> anyhow::Result<Arc<dyn ObjectStore>> {
    ensure!(["file", "gs", "s3", "az"].contains(&url.scheme()), "{url} is neither file://, gs://, s3:// nor az://");
    let environment = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let (store, _) = parse_url_opts(url, environment).with_context(|| format!("{url} cannot be read"))?;
    Ok(Arc::from(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str) -> anyhow::Result<String> {
        Ok(objects(&Url::parse(address)?)?.to_string())
    }

    #[test]
    fn an_address_opens_all_of_its_bucket() {
        assert!(open("file:///some/folder/").unwrap().starts_with("LocalFileSystem"));
        assert_eq!(open("gs://bucket/below/").unwrap(), "GoogleCloudStorage(bucket)");
        assert_eq!(open("s3://bucket/below/").unwrap(), "AmazonS3(bucket)");
    }

    #[test]
    fn other_addresses_are_refused() {
        assert!(open("https://example.com/").unwrap_err().to_string().contains("neither"));
    }
}
