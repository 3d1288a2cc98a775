//! Verdicts before the database has the last word: decode, shape, references, in one report.

use std::collections::BTreeSet;

use crate::events::{Draft, EventKind};
use crate::intake::Delivery;
use crate::shutdown::Stopped;

use super::check_references::{Known, Reference};
use super::decode::decode;
use super::verdict::{Code, Reason, Rejection, Violation};
use super::{Judged, Pipeline};

/// What one delivery turned out to hold.
pub enum Examined<K: EventKind> {
    /// Its events; none at all is a message to ignore.
    Events(Vec<Draft<K>>),
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
    match decode(&delivery.payload) {
        Ok(json) => Examined::Events(K::parse(&json, delivery.published_at)),
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
) -> Result<Vec<Judged<K>>, Stopped> {
    let drafts = || {
        examined.iter().flat_map(|examined| match examined {
            Examined::Events(drafts) => drafts.as_slice(),
            Examined::Unreadable(_) => &[],
        })
    };
    let mut outage = pipeline.outage("look up references");
    let known = loop {
        let look_up = pipeline.references.look_up(drafts().flat_map(|draft| &draft.references));
        match pipeline.shutdown.unless_given_up(look_up).await? {
            Ok(known) => break known,
            Err(unavailable) => outage.wait(&unavailable).await?,
        }
    };
    Ok(judge_all(deliveries, examined, &known))
}

fn judge_all<K: EventKind>(deliveries: &[Delivery], examined: Vec<Examined<K>>, known: &Known) -> Vec<Judged<K>> {
    let mut judged = Vec::with_capacity(deliveries.len());
    for ((index, delivery), examined) in deliveries.iter().enumerate().zip(examined) {
        match examined {
            Examined::Events(drafts) => judged.extend((0..).zip(drafts).map(|(position, draft)| {
                let key = draft.key.clone();
                Judged { delivery: index, position, key, verdict: judge(draft, delivery, known), refusals: 0 }
            })),
            Examined::Unreadable(rejection) => {
                judged.push(Judged { delivery: index, position: 0, key: None, verdict: Err(rejection), refusals: 0 });
            }
        }
    }
    judged
}

fn judge<K: EventKind>(draft: Draft<K>, delivery: &Delivery, known: &Known) -> Result<K::Row, Rejection> {
    verdict(draft, |reference| known.has(reference)).map(|event| K::enrich(event, delivery.received_at, known))
}

/// Shape and reference violations stand in one report; the earlier stage names it.
pub(super) fn verdict<K: EventKind>(
    draft: Draft<K>,
    exists: impl Fn(&Reference) -> bool,
) -> Result<K::Event, Rejection> {
    let Draft { event, references, mut violations, .. } = draft;
    let unknown: Vec<_> = references.iter().filter(|reference| !exists(reference)).collect();
    match event {
        Some(event) if unknown.is_empty() => Ok(event),
        _ => {
            let reason = if violations.is_empty() { Reason::Reference } else { Reason::Shape };
            violations.extend(unknown.iter().map(|reference| reference.unknown()));
            let missing: BTreeSet<_> = unknown.iter().map(|reference| reference.missing()).collect();
            Err(Rejection { reason, violations, missing: missing.into_iter().collect() })
        }
    }
}
