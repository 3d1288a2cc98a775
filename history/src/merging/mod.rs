//! Small files into large ones, and rows that have expired out of files.
//!
//! Files of one platform and day are read side by side, each in its order, and written as one: nothing is sorted
//! again, whatever their size. One transaction puts the new files in the place of the old.

mod expired;
mod rewrite;

use anyhow::Context as _;
use chrono::NaiveDate;
use purser::intake::files::Reporter;
use purser::shutdown::{Shutdown, Stopped};
use sqlx::{AssertSqlSafe, PgPool};

use crate::catalog::{self, COLUMNS, File};
use crate::reading::Reader;
use crate::store::Store;

pub use rewrite::{Kept, Rewrite};

/// A file below this size is merged with others.
const SMALL: i64 = 64 << 20;
/// Files that are read side by side, at the most.
const AT_ONCE: i64 = 16;
/// And their bytes: a row group of each is held. Two small ones are always fewer.
const AT_ONCE_BYTES: i64 = 2 * SMALL;

/// Leaves out of files what has expired, merges small files, and says how many files went into others, or went
/// altogether. May be interrupted anywhere, and may be done by several at once.
///
/// # Errors
/// When the history is elsewhere; when database or store do not work; when a file does not hold what the catalog says;
/// when the process is told to stop. What was merged by then is.
pub async fn merge_small(
    pool: &PgPool,
    store: &Store,
    shutdown: &Shutdown,
    reporter: &dyn Reporter,
) -> anyhow::Result<u64> {
    catalog::settle(pool, store).await?;
    let rewrite = Rewrite { pool, store, reader: Reader::open(store)? };
    let mut merged = expired::leave_out(&rewrite, shutdown).await?;
    for (platform, day) in fragmented(pool).await? {
        loop {
            if shutdown.soft().is_cancelled() {
                return Err(Stopped.into());
            }
            let files = smallest(pool, &platform, day).await?;
            if files.len() < 2 {
                break;
            }
            reporter.found(rows(&files));
            let work = rewrite.swap(&files, |rows| Ok(Kept::all(rows)));
            let is_done = shutdown.unless_given_up(work).await?;
            if is_done.with_context(|| format!("merging files of {platform} and {day}"))? {
                merged += files.len() as u64;
            }
            reporter.decided(rows(&files));
        }
    }
    Ok(merged)
}

fn rows(files: &[File]) -> u64 {
    files.iter().map(|file| file.rows.unsigned_abs()).sum()
}

/// Platforms and days with several small files.
async fn fragmented(pool: &PgPool) -> sqlx::Result<Vec<(String, NaiveDate)>> {
    let select = "SELECT platform, day FROM history_files WHERE removed_at IS NULL AND bytes < $1
                  GROUP BY platform, day HAVING count(*) > 1 ORDER BY day, platform";
    sqlx::query_as(select).bind(SMALL).fetch_all(pool).await
}

async fn smallest(pool: &PgPool, platform: &str, day: NaiveDate) -> sqlx::Result<Vec<File>> {
    let select = format!(
        "SELECT {COLUMNS} FROM history_files
         WHERE removed_at IS NULL AND bytes < $1 AND platform = $2 AND day = $3 ORDER BY bytes, path LIMIT $4"
    );
    let select = sqlx::query_as(AssertSqlSafe(select)).bind(SMALL).bind(platform).bind(day).bind(AT_ONCE);
    let mut files: Vec<File> = select.fetch_all(pool).await?;
    let mut bytes = 0;
    files.retain(|file| {
        bytes += file.bytes;
        bytes <= AT_ONCE_BYTES
    });
    Ok(files)
}
