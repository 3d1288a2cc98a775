//! What nobody needs any more, out of store and database.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt as _;
use purser::database::{Run, in_pages};
use sqlx::PgPool;
use uuid::Uuid;

use crate::catalog;
use crate::moving::IDS_ARE_KEPT;
use crate::store::Store;

/// A question that was asked before a file was removed has been answered by then.
const QUESTIONS_TAKE: TimeDelta = TimeDelta::hours(1);
/// A transaction whose file was begun before then has ended.
const TRANSACTIONS_TAKE: TimeDelta = TimeDelta::hours(24);
/// Objects that are looked at together.
const AT_ONCE: usize = 1000;

/// What was deleted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tidied {
    /// Files that were removed from the history.
    pub files: u64,
    /// Files that never were in it: whoever wrote them was killed.
    pub orphans: u64,
    /// Ids of moved views that come no more.
    pub ids: u64,
}

/// Deletes files that were removed an hour ago or before, files of which the catalog does not know though they are a
/// day old, and ids of views that first reached us 32 days ago or before. What is no file of ours stays.
///
/// # Errors
/// When the history is elsewhere; when database or store do not work: what was deleted by then is.
pub async fn tidy(pool: &PgPool, store: &Store) -> anyhow::Result<Tidied> {
    catalog::settle(pool, store).await?;
    let files = removed(pool, store).await?;
    let orphans = orphans(pool, store).await?;
    let delete = "DELETE FROM moved_product_views
                  WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND received_at < $3";
    let old = Utc::now() - IDS_ARE_KEPT;
    let ids = in_pages(pool, "moved_product_views", Run::Real, delete, |part| part.bind(old)).await?;
    Ok(Tidied { files, orphans, ids })
}

/// The row goes last: it says what is still to be deleted.
async fn removed(pool: &PgPool, store: &Store) -> anyhow::Result<u64> {
    let select = "SELECT path FROM history_files WHERE removed_at <= clock_timestamp() - $1::interval LIMIT $2";
    let mut deleted = 0;
    loop {
        let old = sqlx::query_scalar(select).bind(QUESTIONS_TAKE).bind(i64::try_from(AT_ONCE)?);
        let paths: Vec<String> = old.fetch_all(pool).await?;
        if paths.is_empty() {
            return Ok(deleted);
        }
        for path in &paths {
            store.blob().delete(path).await?;
        }
        let delete = sqlx::query("DELETE FROM history_files WHERE path = ANY($1)").bind(&paths);
        deleted += delete.execute(pool).await?.rows_affected();
    }
}

async fn orphans(pool: &PgPool, store: &Store) -> anyhow::Result<u64> {
    let before = Utc::now() - TRANSACTIONS_TAKE;
    let found = store.blob().list("").map_ok(|(path, _)| path);
    let mut old = found.try_filter(|path| std::future::ready(begun(path).is_some_and(|at| at < before)));
    let (mut deleted, mut paths) = (0, Vec::new());
    loop {
        let next = old.try_next().await?;
        let is_last = next.is_none();
        paths.extend(next);
        if is_last || paths.len() == AT_ONCE {
            deleted += unknown(pool, store, std::mem::take(&mut paths)).await?;
        }
        if is_last {
            return Ok(deleted);
        }
    }
}

async fn unknown(pool: &PgPool, store: &Store, paths: Vec<String>) -> anyhow::Result<u64> {
    let select = sqlx::query_scalar("SELECT path FROM history_files WHERE path = ANY($1)").bind(&paths);
    let known: HashSet<String> = select.fetch_all(pool).await?.into_iter().collect();
    let mut deleted = 0;
    for path in paths.iter().filter(|path| !known.contains(*path)) {
        store.blob().delete(path).await?;
        deleted += 1;
    }
    Ok(deleted)
}

/// When a file was begun, by its name; `None` when the name is not one that we give.
fn begun(path: &str) -> Option<DateTime<Utc>> {
    let (platform, rest) = path.strip_prefix("platform=")?.split_once("/day=")?;
    let (day, name) = rest.split_once('/')?;
    let is_ours = !platform.contains('/') && day.parse::<chrono::NaiveDate>().is_ok();
    let id = Uuid::parse_str(name.strip_suffix(".parquet")?).ok().filter(|_| is_ours)?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_we_give_says_when() {
        let begun = |path: &str| begun(path).map(|at| at.to_rfc3339());
        let name = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f.parquet";
        let at = "2022-02-22T19:22:22+00:00";
        assert_eq!(begun(&format!("platform=iOS/day=2016-01-03/{name}")).as_deref(), Some(at));
        for other in
            ["platform=iOS/day=2016-01-03/notes.parquet", "platform=iOS/day=x/", "platform=a/b/day=2016-01-03/", ""]
        {
            assert_eq!(
                begun(&format!("{other}{}", if other.ends_with("parquet") { "" } else { name })),
                None,
                "{other}"
            );
        }
        let random = "platform=iOS/day=2016-01-03/6ba0b9d5-7a43-4a0b-8d3e-3b1f1a5a2a10.parquet";
        assert_eq!(begun(random), None);
    }
}
