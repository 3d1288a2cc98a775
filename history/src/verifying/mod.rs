//! Whether the files hold what the catalog says, and every view stands in one place.
//!
//! May be done beside all others. The files of a platform and a day are listed first: a view that stood in one of them
//! then has left `product_views` for good.

mod contents;
mod ids;

use anyhow::Context as _;
use chrono::NaiveDate;
use purser::events::Difference;
use purser::shutdown::{Shutdown, Stopped};
use purser::verify::{Checked, Report, Watcher};
use sqlx::{AssertSqlSafe, PgPool};

use crate::catalog::{self, COLUMNS, File};
use crate::reading::Reader;
use crate::store::Store;

/// Word for what is compared.
const NAME: &str = "history";

/// Reads every file, and says where it is not what it should be.
///
/// # Errors
/// When the history is elsewhere; when the database does not work; when the process is told to stop.
pub async fn verify(
    pool: &PgPool,
    store: &Store,
    shutdown: &Shutdown,
    watcher: &dyn Watcher,
) -> anyhow::Result<Report> {
    catalog::settle(pool, store).await?;
    let verifier = Verifier { pool, reader: Reader::open(store)?, shutdown, watcher };
    let mut checked = Checked::new(NAME);
    for (platform, day) in days(pool).await? {
        let differences = verifier.day(&platform, day).await;
        checked.left(differences.with_context(|| format!("verifying {platform} and {day}"))?);
    }
    Ok(Report { checks: vec![checked] })
}

struct Verifier<'v> {
    pool: &'v PgPool,
    reader: Reader,
    shutdown: &'v Shutdown,
    watcher: &'v dyn Watcher,
}

impl Verifier<'_> {
    async fn day(&self, platform: &str, day: NaiveDate) -> anyhow::Result<Vec<Difference>> {
        let (mut readable, mut differences) = (Vec::new(), Vec::new());
        for file in files(self.pool, platform, day).await? {
            match self.unless_stopped(&file.path, contents::differences(&self.reader, &file)).await? {
                Ok(found) => {
                    differences.extend(found);
                    readable.push(file);
                }
                // One that was merged with others long ago may be gone.
                Err(error) if counts(self.pool, &file).await? => differences.push(unreadable(&file, &error)),
                Err(_) => {}
            }
        }
        let place = format!("{platform} {day}");
        let work = ids::differences(self.pool, &self.reader, platform, day, &readable);
        differences.extend(self.unless_stopped(&place, work).await??);
        Ok(differences)
    }

    async fn unless_stopped<T>(&self, place: &str, work: impl Future<Output = T>) -> Result<T, Stopped> {
        self.watcher.at(NAME, place);
        self.shutdown.soft().run_until_cancelled(work).await.ok_or(Stopped)
    }
}

fn unreadable(file: &File, error: &anyhow::Error) -> Difference {
    difference(&file.path, format!("a file of {} bytes", file.bytes), format!("{error:#}").replace('\n', " "))
}

fn difference(place: &str, expected: String, found: String) -> Difference {
    Difference { what: "history_files".to_owned(), place: place.to_owned(), expected, found }
}

async fn days(pool: &PgPool) -> sqlx::Result<Vec<(String, NaiveDate)>> {
    let select = "SELECT DISTINCT platform, day FROM history_files WHERE removed_at IS NULL ORDER BY day, platform";
    sqlx::query_as(select).fetch_all(pool).await
}

async fn files(pool: &PgPool, platform: &str, day: NaiveDate) -> sqlx::Result<Vec<File>> {
    let select = format!(
        "SELECT {COLUMNS} FROM history_files WHERE removed_at IS NULL AND platform = $1 AND day = $2 ORDER BY path"
    );
    sqlx::query_as(AssertSqlSafe(select)).bind(platform).bind(day).fetch_all(pool).await
}

async fn counts(pool: &PgPool, file: &File) -> sqlx::Result<bool> {
    let select = "SELECT EXISTS (SELECT FROM history_files WHERE path = $1 AND removed_at IS NULL)";
    sqlx::query_scalar(select).bind(&file.path).fetch_one(pool).await
}
