//! May a batch be committed? Asked of every batch from Pub/Sub, and of no other: whoever sends over HTTP
//! hears the verdict at once, and files and replays are somebody's decision.

mod appraise;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::validate::{check_references, decode_and_validate};
use super::verdict::Table;
use super::{AllJudged, Outcome, Pipeline, Unavailable, Which};
use crate::breaker::{Cause, Pass, Passage, State, Switch, TABLES, Tally, Weight};
use crate::events::EventKind;
use crate::intake::{Delivery, Source};
use crate::shutdown::Stopped;
use appraise::{Appraisal, appraise, waiting};

/// How long the database may take to answer before its connection is given up as frozen.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a batch is held before it is judged again for the first time, and at the most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A batch that may be committed.
pub(super) struct Admitted<K: EventKind> {
    pub(super) judged: AllJudged<K>,
    pass: Pass,
}

impl<K: EventKind> Admitted<K> {
    /// Splits it into what is to be committed, and what is to be told of it afterwards.
    pub(super) fn split(self) -> (AllJudged<K>, Pass) {
        (self.judged, self.pass)
    }
}

/// Lets a batch through unless too much of what comes is rejected. Otherwise it is held: neither
/// acknowledged nor given back, judged again from time to time, and once more from the start before it may
/// pass. `None` when the process is to stop softly while it is held: then it is delivered again.
///
/// # Errors
/// Only when the process gives up.
pub(super) async fn admit<K: EventKind>(
    pipeline: &Pipeline,
    source: Source,
    deliveries: &[Delivery],
    mut judged: AllJudged<K>,
) -> Result<Option<Admitted<K>>, Stopped> {
    let passage = pipeline.breaker.gate(K::NAME).filter(|_| source == Source::PubSub);
    let Some(passage) = passage else { return Ok(Some(Admitted { judged, pass: Pass::default() })) };
    while let Some(switch) = state(pipeline, &passage).await {
        let pass = match switch.state {
            State::Forced => Some(passage.gate.enter_anyway(tally(&judged))),
            State::Closed => try_to_enter(pipeline, &passage, deliveries, &judged).await?,
            State::Open => {
                drop(judged);
                if !hold::<K>(pipeline, &passage, &switch, deliveries).await? {
                    return Ok(None);
                }
                judged = judge(pipeline, deliveries).await?;
                None
            }
        };
        if let Some(pass) = pass {
            return Ok(Some(Admitted { judged, pass }));
        }
    }
    Ok(None)
}

/// The state as last read. `None` when the process is to stop softly before it was read at all.
async fn state(pipeline: &Pipeline, passage: &Passage) -> Option<Switch> {
    match passage.gate.last_read() {
        Some(switch) => Some(switch),
        None => pipeline.shutdown.soft().run_until_cancelled(passage.gate.switch()).await,
    }
}

/// What became of a batch, for the breaker: of events that were decided for the first time.
pub(super) fn fact(decided: &[(Which, Outcome)]) -> Tally {
    let mut fact = Tally::default();
    for (_, outcome) in decided {
        match outcome {
            Outcome::Stored { .. } => fact.accepted += 1,
            Outcome::Rejected(_) => fact.rejected += 1,
            Outcome::Duplicate { .. } | Outcome::RejectedBefore(_) | Outcome::Ignored => {}
        }
    }
    fact
}

/// What a batch looks like before anybody has asked which of its events are new.
fn tally<K: EventKind>(judged: &AllJudged<K>) -> Tally {
    let rejected = judged.events.iter().filter(|event| event.verdict.is_err()).count() as u64;
    Tally { accepted: judged.events.len() as u64 - rejected, rejected }
}

/// Passes, opens the breaker, or waits until it is known what is in flight; after these two, ask again.
async fn try_to_enter<K: EventKind>(
    pipeline: &Pipeline,
    passage: &Passage,
    deliveries: &[Delivery],
    judged: &AllJudged<K>,
) -> Result<Option<Pass>, Stopped> {
    let fallen = fallen(pipeline, passage, waiting(judged.events.iter())).await?;
    if fallen.is_empty() {
        // What it looks like is bad enough: asking which events are new is only worth it when that is over.
        match passage.gate.enter(tally(judged)) {
            Ok(pass) => return Ok(Some(pass)),
            Err(_doubt) => {}
        }
    }
    let settled = passage.gate.settled();
    let new = appraisal(pipeline, deliveries, judged).await?;
    if fallen.keys().any(|table| new.waiting.contains(table)) {
        // The verdicts are from when it was empty: even if its rows are back by now, they are to be made again.
        let all = self::fallen(pipeline, passage, TABLES).await?;
        let because: Vec<String> = if all.is_empty() { fallen } else { all }.into_values().collect();
        open(pipeline, passage, Cause::References, &because.join("; ")).await?;
        return Ok(None);
    }
    if new.tally.rejected == 0 {
        return Ok(Some(passage.gate.enter_anyway(new.tally)));
    }
    match passage.gate.enter(new.tally) {
        Ok(pass) => return Ok(Some(pass)),
        Err(Weight::Over(tally)) => open(pipeline, passage, Cause::Rejections, &passage.too_much(tally)).await?,
        Err(_unsettled) => pipeline.shutdown.unless_given_up(settled).await?,
    }
    Ok(None)
}

/// Returns `true` when the breaker is not open any more, `false` when the process is to stop softly before
/// that. Meanwhile judges the batch again from time to time, and tells the breaker.
async fn hold<K: EventKind>(
    pipeline: &Pipeline,
    passage: &Passage,
    switch: &Switch,
    deliveries: &[Delivery],
) -> Result<bool, Stopped> {
    let held = passage.gate.hold(switch.revision);
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            () = pipeline.shutdown.soft().cancelled() => return Ok(false),
            () = passage.gate.changed(switch.revision) => return Ok(true),
            () = sleep(pause) => {}
        }
        let judged = judge::<K>(pipeline, deliveries).await?;
        let new = appraisal(pipeline, deliveries, &judged).await?;
        let table_is_back = match switch.cause {
            Cause::References => Some(fallen(pipeline, passage, TABLES).await?.is_empty()),
            Cause::Rejections | Cause::Operator => None,
        };
        insist(pipeline, "probe", || async { Ok(passage.probed(&held, new.tally, table_is_back).await?) }).await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn judge<K: EventKind>(pipeline: &Pipeline, deliveries: &[Delivery]) -> Result<AllJudged<K>, Stopped> {
    let drafts = decode_and_validate::<K>(deliveries, pipeline.max_event_bytes);
    check_references(pipeline, deliveries, drafts).await
}

/// Those of the tables that look as if they had been emptied by mistake, and why.
async fn fallen(
    pipeline: &Pipeline,
    passage: &Passage,
    tables: impl IntoIterator<Item = Table>,
) -> Result<BTreeMap<Table, String>, Stopped> {
    let mut fallen = BTreeMap::new();
    for table in tables {
        let why = insist(pipeline, "look at a reference table", || async { Ok(passage.fallen(table).await?) }).await?;
        fallen.extend(why.map(|why| (table, why)));
    }
    Ok(fallen)
}

async fn appraisal<K: EventKind>(
    pipeline: &Pipeline,
    deliveries: &[Delivery],
    judged: &AllJudged<K>,
) -> Result<Appraisal, Stopped> {
    insist(pipeline, "ask what is new", || appraise(&pipeline.pool, deliveries, judged)).await
}

async fn open(pipeline: &Pipeline, passage: &Passage, cause: Cause, because: &str) -> Result<(), Stopped> {
    insist(pipeline, "open the breaker", || async { Ok(passage.open(cause, because).await?) }).await
}

/// Asks the database until it answers.
async fn insist<T, F: Future<Output = Result<T, Unavailable>>>(
    pipeline: &Pipeline,
    task: &'static str,
    ask: impl Fn() -> F,
) -> Result<T, Stopped> {
    let mut outage = pipeline.outage(task);
    loop {
        match pipeline.shutdown.unless_given_up(timeout(PATIENCE, ask())).await? {
            Ok(Ok(answer)) => {
                outage.over();
                return Ok(answer);
            }
            Ok(Err(unavailable)) => outage.wait(&unavailable).await?,
            Err(_frozen) => outage.wait(&Unavailable::Frozen(PATIENCE)).await?,
        }
    }
}
