//! A person's data out of everything that is ours: rows, dead letters, objects. The person is found first, and kept
//! with a random pseudonym for each id until everything is done; so a run that was interrupted goes on with the same,
//! and two runs over all tables miss nobody whom a batch was storing during the first.
//!
//! What is counted stays true. A pseudonym takes the place of an id everywhere, so distinct users, sessions and medians
//! are what they were. Keys stay, so that an event that is delivered again is a duplicate.

mod history;
mod letters;
mod lines;
mod objects;
mod reference;
mod who;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::database::{Run, ended_before};
use crate::dead_letters::Shipper;
use crate::domain::Person;
use crate::events::KINDS;
use crate::shutdown::{Shutdown, Stopped};

pub use who::Request;

/// Of the advisory lock: whoever removes data is alone with that.
const LOCK: i64 = 0x7075_7273_666f_7267;
/// How often, and how long apart, it is tried to be alone: one who was interrupted is soon gone.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Nobody else forgets or expires anything as long as this connection lives.
///
/// # Errors
/// When somebody else does, or the database cannot be asked.
pub async fn alone(pool: &PgPool) -> anyhow::Result<PgConnection> {
    let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
    for _ in 0..TRIES {
        if sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await? {
            return Ok(connection);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("`purser forget` or `purser expire` is at work elsewhere: try again when that is done")
}

/// What was touched: tables and folders, with how many rows, dead letters or objects.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// By table, or by what in the blob store.
    pub touched: BTreeMap<&'static str, u64>,
    /// What could not be done, in words.
    pub left: Vec<String>,
    /// Files of the history may hold views of the person: they are noted, and `purser-history forget` takes them out.
    pub history: bool,
}

impl Report {
    fn add(&mut self, what: &'static str, number: u64) {
        *self.touched.entry(what).or_default() += number;
    }

    fn is_empty(&self) -> bool {
        self.touched.values().all(|number| *number == 0)
    }
}

/// Forgets whoever is asked for, and says what that touched. Asked for again, it touches nothing.
///
/// # Errors
/// When database or blob store cannot be asked, or the process is told to stop: what was done stays, and the same
/// request goes on from there.
pub async fn forget(shipper: &Shipper, request: &Request, run: Run, shutdown: &Shutdown) -> anyhow::Result<Report> {
    let pool = &shipper.pool;
    let alone = alone(pool).await?;
    let mut report = Report::default();
    let mut seen = objects::Seen::default();
    for round in 1.. {
        let Some(person) = who::find(pool, request, run).await? else { break };
        let work = once(shipper, &person, run, &mut seen);
        let found = shutdown.soft().run_until_cancelled(work).await.ok_or(Stopped)??;
        let is_done = (found.is_empty() && round > 1) || run == Run::Dry || round == MOST_ROUNDS;
        found.touched.into_iter().for_each(|(what, number)| report.add(what, number));
        report.left = found.left;
        report.history |= found.history;
        if is_done {
            break;
        }
        // A batch that had read of the person before may store something yet, and a shipper may be writing it.
        if !ended_before(pool).await? {
            report
                .left
                .push("a transaction goes on and on that began before: run this again once it has ended".to_owned());
        }
    }
    if run == Run::Real && report.left.is_empty() {
        who::done(pool, request).await?;
    }
    alone.close().await?;
    Ok(report)
}

/// Somebody who goes on sending would be found for ever.
const MOST_ROUNDS: usize = 3;

/// Goes once through everything. What leads to the person comes last.
async fn once(shipper: &Shipper, person: &Person, run: Run, seen: &mut objects::Seen) -> anyhow::Result<Report> {
    let history = history::note(&shipper.pool, person, run).await.context("noting whom the history is to forget")?;
    let mut report = Report { history, ..Report::default() };
    for kind in KINDS {
        let rows = kind.forget(&shipper.pool, person, run).await;
        report.add(kind.name, rows.with_context(|| format!("forgetting in rows of {}", kind.name))?);
    }
    if run == Run::Real {
        // From here on there is one place where dead letters are: the blob store.
        shipper
            .ship()
            .await
            .context("dead letters must be in the blob store before anything can be taken out of them")?;
    }
    letters::forget(shipper, person, run, seen, &mut report).await?;
    reference::forget(&shipper.pool, person, run, &mut report).await?;
    Ok(report)
}
