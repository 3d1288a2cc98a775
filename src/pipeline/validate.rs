//! Verdicts before the database has the last word: decode, shape, references, in one report.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;

use crate::events::{Draft, EventKind, Reading};
use crate::intake::Delivery;
use crate::shutdown::Stopped;

use super::check_references::{Known, Reference};
use super::decode::decode;
use super::verdict::{Code, Reason, Rejection, Violation};
use super::{AllJudged, Judged, Pipeline, Unavailable};

/// How long looking up references may take before its connection is given up as frozen.
const LOOK_UP: Duration = Duration::from_secs(40);

/// What one delivery turned out to hold.
pub enum Examined<K: EventKind> {
    /// Its events; none at all is a message to ignore.
    Events(Vec<Reading<K>>),
    /// It could not even be read.
    Unreadable(Rejection),
}

/// Reads every delivery of a batch.
#[must_use]
pub fn decode_and_validate<K: EventKind>(deliveries: &[Delivery], max_bytes: usize) -> Vec<Examined<K>> {
    deliveries.iter().map(|delivery| examine(delivery, max_bytes)).collect()
}

fn examine<K: EventKind>(delivery: &Delivery, max_bytes: usize) -> Examined<K> {
    let bytes = delivery.bytes();
    if bytes > max_bytes as u64 || delivery.left_in_file().is_some() {
        let limit = format!("at most {max_bytes} bytes");
        let violation = Violation::new(Code::TooLarge, "", limit, &format!("{bytes} bytes"));
        return Examined::Unreadable(Rejection::single(Reason::Oversize, violation));
    }
    if let Some(readings) = K::parse_at_once(&delivery.payload, delivery) {
        return Examined::Events(readings);
    }
    match decode(&delivery.payload) {
        Ok(json) => Examined::Events(K::parse(&json, delivery)),
        Err(violation) => Examined::Unreadable(Rejection::single(Reason::Decode, violation)),
    }
}

/// Judges every event of a batch, once the rows that it refers to have been looked up.
///
/// While the database is away it waits.
///
/// # Errors
/// Only when the process gives up.
pub async fn check_references<K: EventKind>(
    pipeline: &Pipeline,
    deliveries: &[Delivery],
    examined: Vec<Examined<K>>,
) -> Result<AllJudged<K>, Stopped> {
    let mut outage = pipeline.outage("look up references");
    let known = loop {
        let look_up = pipeline.references.look_up(references(&examined));
        match pipeline.shutdown.unless_given_up(timeout(LOOK_UP, look_up)).await? {
            Ok(Ok(known)) => {
                outage.over();
                break known;
            }
            Ok(Err(unavailable)) => outage.wait(&unavailable).await?,
            Err(_frozen) => outage.wait(&Unavailable::Frozen(LOOK_UP)).await?,
        }
    };
    Ok(judge_all(deliveries, examined, &known))
}

/// Every row that the events of a batch refer to.
pub(super) fn references<K: EventKind>(examined: &[Examined<K>]) -> impl Iterator<Item = &Reference> {
    let readings = examined.iter().flat_map(|examined| match examined {
        Examined::Events(readings) => readings.as_slice(),
        Examined::Unreadable(_) => &[],
    });
    readings.flat_map(|reading| match reading {
        Reading::Event(draft) => draft.references.as_slice(),
        Reading::Ignored => &[],
    })
}

/// Judges every event of a batch by the rows that are known to be there.
pub(super) fn judge_all<K: EventKind>(
    deliveries: &[Delivery],
    examined: Vec<Examined<K>>,
    known: &Known,
) -> AllJudged<K> {
    let mut all = AllJudged { events: Vec::with_capacity(deliveries.len()), ignored: Vec::new() };
    for ((index, delivery), examined) in deliveries.iter().enumerate().zip(examined) {
        let replayed = delivery.replays.as_ref().map(|replays| replays.position);
        match examined {
            Examined::Events(readings) if readings.is_empty() => all.ignored.push((index, 0)),
            Examined::Events(readings) => {
                let wanted = |position| replayed.is_none_or(|replayed| replayed == position);
                for (position, reading) in (0..).zip(readings).filter(|(position, _)| wanted(*position)) {
                    match reading {
                        Reading::Event(draft) => all.events.push(judge(draft, index, position, delivery, known)),
                        Reading::Ignored => all.ignored.push((index, position)),
                    }
                }
            }
            Examined::Unreadable(rejection) => {
                let (position, verdict) = (replayed.unwrap_or_default(), Err(rejection));
                all.events.push(Judged { delivery: index, position, key: None, verdict, content: None, refusals: 0 });
            }
        }
    }
    all
}

/// The verdict, and the content of an event that nothing but missing rows speaks against: it may be
/// stored already, from when they were there.
fn judge<K: EventKind>(draft: Draft<K>, index: usize, position: u32, delivery: &Delivery, known: &Known) -> Judged<K> {
    let key = draft.key.clone();
    let (verdict, content) = match verdict(draft, |reference| known.has(reference)) {
        Ok(event) => (Ok(K::enrich(event, delivery.received_at, known)), None),
        Err((rejection, event)) => {
            let without_rows = event.map(|event| K::enrich(event, delivery.received_at, &Known::default()));
            (Err(rejection), without_rows.as_ref().map(K::content_hash))
        }
    };
    Judged { delivery: index, position, key, verdict, content, refusals: 0 }
}

/// Shape and reference violations stand in one report; the earlier stage names it. An event whose shape
/// is right comes back with its rejection.
pub(super) fn verdict<K: EventKind>(
    draft: Draft<K>,
    exists: impl Fn(&Reference) -> bool,
) -> Result<K::Event, (Rejection, Option<K::Event>)> {
    let Draft { event, references, mut violations, .. } = draft;
    let unknown = || references.iter().filter(|reference| !exists(reference));
    let missing: BTreeSet<_> =
        unknown().filter(|reference| reference.table.unknown().is_some()).map(Reference::missing).collect();
    match event {
        Some(event) if missing.is_empty() => Ok(event),
        event => {
            let reason = if violations.is_empty() { Reason::Reference } else { Reason::Shape };
            violations.extend(unknown().filter_map(Reference::unknown));
            let missing = missing.into_iter().collect();
            Err((Rejection { reason, violations: bounded(violations), missing }, event))
        }
    }
}

/// The most violations of a report: a small hostile message must not grow into a huge dead letter.
const MOST: usize = 100;

fn bounded(mut violations: Vec<Violation>) -> Vec<Violation> {
    if violations.len() > MOST {
        let more = format!("{} more", violations.len() - MOST);
        violations.truncate(MOST);
        violations.push(Violation::new(Code::MoreViolations, "", format!("at most {MOST} violations"), &more));
    }
    violations
}
