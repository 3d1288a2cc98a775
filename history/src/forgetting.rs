//! People out of files. `purser forget` takes a person out of everything else, and notes who it was for this.
//!
//! A file that has views of theirs is rewritten, with the pseudonym in the place of the visitor and without the ids of
//! visit and event, as `product_views` has it. The old file is deleted an hour later at the earliest
//! ([`tidy`](crate::tidy)).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use datafusion::arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use futures::TryStreamExt as _;
use purser::forget::alone;
use purser::intake::files::Reporter;
use purser::shutdown::{Shutdown, Stopped};
use sqlx::{Connection as _, PgPool};
use uuid::Uuid;

use crate::catalog::{self, File};
use crate::merging::{Kept, Rewrite};
use crate::reading::Reader;
use crate::store::Store;

/// Files after which it is asked anew which there are: one that was removed meanwhile is there for an hour.
const AT_ONCE: usize = 64;

/// Takes everybody out of the files whom `purser forget` has noted, and says how many files were rewritten. Then the
/// notes are deleted, and nothing leads from a pseudonym to anybody.
///
/// # Errors
/// When the history is elsewhere; when database or store do not work, or `purser forget` is at work; when the process
/// is told to stop. The notes stay then, and doing it again goes on.
pub async fn forget(pool: &PgPool, store: &Store, shutdown: &Shutdown, reporter: &dyn Reporter) -> anyhow::Result<u64> {
    let noted: Vec<Noted> = sqlx::query_as("SELECT id, pseudonym, at FROM history_forgotten").fetch_all(pool).await?;
    if noted.is_empty() {
        return Ok(0);
    }
    catalog::settle(pool, store).await?;
    let people = noted.iter().map(|noted| (noted.id.clone(), noted.pseudonym.to_string())).collect();
    let rewrite = Rewrite { pool, store, reader: Reader::open(store)? };
    let mut search = Search { rewrite, people, clean: HashSet::new(), rewritten: 0, shutdown, reporter };
    search.everywhere().await?;
    // Whoever is being forgotten right now may be noted already, and still be moved under their own name.
    let alone = alone(pool).await?;
    search.everywhere().await?;
    done(pool, &noted).await?;
    alone.close().await?;
    Ok(search.rewritten)
}

#[derive(sqlx::FromRow)]
struct Noted {
    id: String,
    pseudonym: Uuid,
    at: DateTime<Utc>,
}

async fn done(pool: &PgPool, noted: &[Noted]) -> sqlx::Result<()> {
    let delete = "DELETE FROM history_forgotten USING UNNEST($1::text[], $2::timestamptz[]) AS done (id, at)
                  WHERE history_forgotten.id = done.id AND history_forgotten.at = done.at";
    let delete = sqlx::query(delete).bind(noted.iter().map(|noted| noted.id.as_str()).collect::<Vec<_>>());
    delete.bind(noted.iter().map(|noted| noted.at).collect::<Vec<_>>()).execute(pool).await?;
    Ok(())
}

struct Search<'s> {
    rewrite: Rewrite<'s>,
    /// Their pseudonyms.
    people: HashMap<String, String>,
    /// Files in which nobody of them is.
    clean: HashSet<String>,
    rewritten: u64,
    shutdown: &'s Shutdown,
    reporter: &'s dyn Reporter,
}

impl Search<'_> {
    /// Until they are in no file that counts: one that was merged from others meanwhile is looked at as well.
    async fn everywhere(&mut self) -> anyhow::Result<()> {
        let shutdown = self.shutdown;
        loop {
            let mut files = catalog::files(self.rewrite.pool).await?;
            files.retain(|file| !self.clean.contains(&file.path));
            if files.is_empty() {
                return Ok(());
            }
            for file in files.iter().take(AT_ONCE) {
                if shutdown.soft().is_cancelled() {
                    return Err(Stopped.into());
                }
                shutdown.unless_given_up(self.out_of(file)).await??;
            }
        }
    }

    async fn out_of(&mut self, file: &File) -> anyhow::Result<()> {
        let rows = file.rows.unsigned_abs();
        self.reporter.found(rows);
        let is_in = self.is_in(file).await.with_context(|| format!("looking for people in {}", file.path))?;
        if is_in {
            let rename = |rows| Ok(Kept::all(renamed(&rows, &self.people)?));
            let swapped = self.rewrite.swap(std::slice::from_ref(file), rename).await;
            self.rewritten += u64::from(swapped.with_context(|| format!("rewriting {}", file.path))?);
        } else {
            self.clean.insert(file.path.clone());
        }
        self.reporter.decided(rows);
        Ok(())
    }

    async fn is_in(&self, file: &File) -> anyhow::Result<bool> {
        let mut read = self.rewrite.reader.read(file, &["mpid"]).await?;
        while let Some(rows) = read.try_next().await? {
            if rows.column(0).as_string::<i32>().iter().flatten().any(|mpid| self.people.contains_key(mpid)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The same rows without these people.
fn renamed(rows: &RecordBatch, people: &HashMap<String, String>) -> anyhow::Result<RecordBatch> {
    let column = |name: &str| rows.schema().index_of(name);
    let mpid = column("mpid")?;
    let mpids = rows.column(mpid).as_string::<i32>();
    let pseudonym = |mpid: Option<&str>| mpid.and_then(|mpid| people.get(mpid));
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns[mpid] =
        Arc::new(mpids.iter().map(|mpid| pseudonym(mpid).map(String::as_str).or(mpid)).collect::<StringArray>());
    for name in ["session_id", "event_id"] {
        let index = column(name)?;
        let texts = rows.column(index).as_string::<i32>();
        let kept = texts.iter().zip(mpids.iter()).map(|(text, mpid)| text.filter(|_| pseudonym(mpid).is_none()));
        columns[index] = Arc::new(kept.collect::<StringArray>());
    }
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}
