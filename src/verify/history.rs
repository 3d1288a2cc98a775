//! The history: each view in one place, and every file of the catalog in the store. Only where there is a history.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, ensure};
use futures::TryStreamExt as _;
use sqlx::FromRow;
use url::Url;

use super::{Checked, Unverified, Verifier};
use crate::blob::Blob;
use crate::events::Difference;

pub(super) const NAME: &str = "history";

/// A view is taken out of the table in the transaction that notes its id.
const IN_BOTH: &str = "
    SELECT 'product_views' AS what, 'view ' || id AS place, 'in the history alone' AS expected,
           'in the table, too' AS found
    FROM product_views JOIN moved_product_views USING (id)";

const OUTSIDE_THEIR_DAY: &str = "
    SELECT 'history_files' AS what, path AS place, 'views of ' || day AS expected,
           to_char(first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.USZ') || ' to '
           || to_char(last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.USZ') AS found
    FROM history_files
    WHERE removed_at IS NULL
        AND NOT (first_at >= day::timestamp AT TIME ZONE 'UTC' AND first_at <= last_at
                 AND last_at < (day + 1)::timestamp AT TIME ZONE 'UTC')";

const FILES: &str = "SELECT path, bytes FROM history_files WHERE removed_at IS NULL ORDER BY path";
const STILL_COUNTS: &str = "SELECT path FROM history_files WHERE removed_at IS NULL AND path = ANY($1)";

/// A file that counts.
#[derive(FromRow)]
struct File {
    path: String,
    bytes: i64,
}

impl Verifier {
    /// Nothing of it can be made again: what differs is told, and left. `None` without a history.
    pub(super) async fn history(&self) -> Result<Option<Checked>, Unverified> {
        let url: Option<String> = sqlx::query_scalar("SELECT url FROM history").fetch_optional(&self.pool).await?;
        let Some(url) = url else { return Ok(None) };
        let mut checked = Checked::new(NAME);
        for (differences, place) in [(IN_BOTH, "views"), (OUTSIDE_THEIR_DAY, "days")] {
            self.go_on(NAME, place)?;
            let mut tx = self.begin().await?;
            checked.left(sqlx::query_as(differences).fetch_all(&mut *tx).await?);
            tx.commit().await?;
        }
        self.go_on(NAME, "files")?;
        let in_the_store = self.in_the_store(&url).await;
        checked.left(in_the_store.map_err(|reason| Unverified::History { url, reason })?);
        Ok(Some(checked))
    }

    /// The catalog is read first: a file stays in the store for an hour after it has ceased to count. One that has
    /// ceased meanwhile may be gone.
    async fn in_the_store(&self, url: &str) -> anyhow::Result<Vec<Difference>> {
        let files: Vec<File> = sqlx::query_as(FILES).fetch_all(&self.pool).await?;
        let sizes: HashMap<String, u64> = open(url)?.list("").try_collect().await?;
        let difference = |file: File| {
            let found = sizes.get(&file.path).copied();
            (found != u64::try_from(file.bytes).ok()).then(|| Difference {
                what: "history_files".to_owned(),
                expected: format!("{} bytes", file.bytes),
                found: found.map_or_else(|| "no such file".to_owned(), |bytes| format!("{bytes} bytes")),
                place: file.path,
            })
        };
        let mut differences: Vec<Difference> = files.into_iter().filter_map(difference).collect();
        let paths: Vec<&str> = differences.iter().map(|difference| difference.place.as_str()).collect();
        let counting: Vec<String> = sqlx::query_scalar(STILL_COUNTS).bind(paths).fetch_all(&self.pool).await?;
        let counting: HashSet<String> = counting.into_iter().collect();
        differences.retain(|difference| counting.contains(&difference.place));
        Ok(differences)
    }
}

/// A folder is not made: one that is missing here may be there for others.
fn open(url: &str) -> anyhow::Result<Blob> {
    let folder = Url::parse(url).ok().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok());
    let Some(folder) = folder else { return Blob::at(url) };
    ensure!(Path::new(&folder).is_dir(), "there is no such folder here");
    Blob::at(folder.to_str().context("the name of the folder is no text")?)
}
