//! The folder: `users/`, `articles/` and `purchases/`, a JSON object per file, named by its id; and
//! `shoppers/`, a list of all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::patience::Patience;
use crate::shop::Shop;
use crate::shoppers::Shopper;

/// Reads a folder's name: a path, or a `file://` URL. Errs on any other URL.
pub fn folder(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("file://").unwrap_or(text);
    if path.contains("://") {
        return Err("the producer writes to folders only: a path or file:///…".to_owned());
    }
    if path.is_empty() {
        return Err("the name of the folder is empty".to_owned());
    }
    Ok(PathBuf::from(path))
}

/// Writes every user, article and shopper of `shop` below `blob`, whose folders it makes.
///
/// What was there under the same name is replaced; a reader never sees half a file. Errs as the
/// file system does. Blocks.
pub fn write_reference_files(shop: &Shop, blob: &Path) -> io::Result<()> {
    let (users, articles) = (blob.join("users"), blob.join("articles"));
    fs::create_dir_all(&users)?;
    fs::create_dir_all(&articles)?;
    for user in shop.users() {
        write(&users, &user.id.to_string(), &json(user)?)?;
    }
    for article in shop.articles() {
        write(&articles, &article.id.to_string(), &json(article)?)?;
    }
    write_shoppers(shop.shoppers(), blob)
}

/// Writes the one list of everyone in `shoppers`.
fn write_shoppers(shoppers: &[Shopper], blob: &Path) -> io::Result<()> {
    let folder = blob.join("shoppers");
    fs::create_dir_all(&folder)?;
    let records: Vec<_> = shoppers.iter().map(Shopper::record).collect();
    write(&folder, "user_info", &json(&records)?)
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::from)
}

/// Writes under another name first: whoever lists `*.json` finds whole files only.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!(".{name}.part"));
    fs::write(&part, bytes)?;
    fs::rename(&part, folder.join(format!("{name}.json")))
}

/// [`write_reference_files`], off the runtime's threads; waits as long as the folder cannot be
/// written to.
pub(crate) async fn keep_reference_files(blob: &Path, shop: &Arc<Shop>) {
    let (blob, shop) = (blob.to_owned(), Arc::clone(shop));
    until_written(move || write_reference_files(&shop, &blob)).await;
}

/// Writes the list of all shoppers anew, as [`keep_reference_files`] does.
pub(crate) async fn keep_shoppers(blob: &Path, shoppers: Vec<Shopper>) {
    let blob = blob.to_owned();
    until_written(move || write_shoppers(&shoppers, &blob)).await;
}

/// Writes `batch` to `blob/purchases/<id>.json`, as [`keep_reference_files`] does.
pub(crate) async fn keep_purchases(blob: &Path, mut batch: Vec<(Uuid, Bytes)>) {
    if batch.is_empty() {
        return;
    }
    let folder = blob.join("purchases");
    until_written(move || write_purchases(&folder, &mut batch)).await;
}

/// Takes out of `batch` what has been written.
fn write_purchases(folder: &Path, batch: &mut Vec<(Uuid, Bytes)>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    while let Some((id, payload)) = batch.last() {
        write(folder, &id.to_string(), payload)?;
        batch.pop();
    }
    Ok(())
}

async fn until_written(mut write: impl FnMut() -> io::Result<()> + Send + 'static) {
    let mut patience = Patience::new("the blob folder");
    loop {
        let attempt = tokio::task::spawn_blocking(move || {
            let result = write();
            (write, result)
        });
        match attempt.await {
            Ok((again, Err(error))) => {
                write = again;
                patience.wait(error).await;
            }
            Ok((_, Ok(()))) => return patience.over(),
            // Only a runtime that shuts down refuses to run it.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::purchases::Purchases;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn reference_files_hold_the_shop_and_nothing_else() {
        let blob = tempfile::tempdir().unwrap();
        let shop = Shop::open(4, 30, 8);
        write_reference_files(&shop, blob.path()).unwrap();
        write_reference_files(&shop, blob.path()).unwrap();

        assert_eq!(names(&blob.path().join("users")).len(), 30);
        assert_eq!(names(&blob.path().join("articles")).len(), 8);
        let read = |kind: &str, id: Uuid| -> Value {
            let path = blob.path().join(kind).join(format!("{id}.json"));
            serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
        };
        for user in shop.users() {
            let file = read("users", user.id);
            assert_eq!(file.as_object().unwrap().len(), 5);
            assert_eq!(file["id_"], user.id.to_string());
            for (key, value) in [("name", &user.name), ("address", &user.address)] {
                assert_eq!(file[key], **value);
            }
            assert_eq!((file["number"].as_str(), file["email"].as_str()), (Some(&*user.number), Some(&*user.email)));
        }
        for article in shop.articles() {
            let file = read("articles", article.id);
            assert_eq!(file.as_object().unwrap().len(), 4);
            assert_eq!((&file["id_"], &file["name"]), (&article.id.to_string().into(), &article.name.clone().into()));
            assert!(file["price"].is_f64());
            assert_eq!(file["currency"], article.currency.code());
        }
    }

    #[tokio::test]
    async fn the_list_of_shoppers_is_one_array_that_grows() {
        let blob = tempfile::tempdir().unwrap();
        let shop = Arc::new(Shop::open(4, 1, 1));
        let read = || -> Vec<Value> {
            serde_json::from_slice(&fs::read(blob.path().join("shoppers/user_info.json")).unwrap()).unwrap()
        };
        keep_reference_files(blob.path(), &shop).await;
        assert_eq!(read().len(), shop.shoppers().len());
        let mut everyone = shop.shoppers().to_vec();
        everyone.push(shop.shoppers()[0].clone());
        keep_shoppers(blob.path(), everyone).await;
        assert_eq!(read().len(), shop.shoppers().len() + 1);
        for (record, shopper) in read().iter().zip(shop.shoppers()) {
            let keys: Vec<&String> = record.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["country", "gender", "user_id"]);
            assert_eq!(
                (&record["user_id"], &record["country"]),
                (&shopper.user_id().into(), &shopper.market.code.into())
            );
        }
    }

    #[tokio::test]
    async fn purchase_files_hold_the_published_bytes() {
        let blob = tempfile::tempdir().unwrap();
        let batch: Vec<_> = Purchases::new(&Shop::open(1, 5, 5), 1, 0.5).take(200).collect();
        let copies = batch.iter().map(|it| (it.id, it.payload.clone())).collect();
        keep_purchases(blob.path(), copies).await;
        assert_eq!(names(&blob.path().join("purchases")).len(), 200);
        for purchase in batch {
            let path = blob.path().join("purchases").join(format!("{}.json", purchase.id));
            assert_eq!(fs::read(path).unwrap(), purchase.payload);
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_waited_for() {
        let blob = tempfile::tempdir().unwrap();
        let in_the_way = blob.path().join("purchases");
        fs::write(&in_the_way, "a file where the folder should be").unwrap();
        let batch = vec![(Uuid::from_u128(1), Bytes::from_static(b"{}"))];
        let keeping = keep_purchases(blob.path(), batch);
        let clearing = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            fs::remove_file(&in_the_way).unwrap();
        };
        tokio::join!(keeping, clearing);
        assert_eq!(names(&in_the_way).len(), 1);
    }

    #[test]
    fn a_folder_is_a_path_or_a_file_url() {
        assert_eq!(folder("./blob"), Ok(PathBuf::from("./blob")));
        assert_eq!(folder("file:///var/blob"), Ok(PathBuf::from("/var/blob")));
        assert!(folder("gs://bucket/blob").is_err());
        assert!(folder("").is_err());
    }
}
