//! Verdicts without a database that has the last word: nothing is stored, nothing acknowledged.

use super::Unavailable;
use super::check_references::References;
use super::validate::{self, Examined, decode_and_validate, verdict};
use super::verdict::Rejection;
use crate::events::{EventKind, Reading};
use crate::intake::Delivery;

/// What would become of one event.
#[derive(Debug)]
pub enum Finding {
    /// Stored, unless its id is stored already.
    Accepted,
    /// Dead-lettered.
    Rejected(Rejection),
    /// Counted, and no more.
    Ignored,
}

/// For each delivery, what is said of each of its events; one that holds none is ignored.
pub type Verdicts = Vec<Vec<Finding>>;

/// What the pipeline would say of each event, by delivery.
///
/// Without `references` these are taken to exist. That an id is stored already, with this content or
/// another, is not looked at.
///
/// # Errors
/// When the references cannot be looked up.
pub async fn check<K: EventKind>(
    deliveries: &[Delivery],
    max_event_bytes: usize,
    references: Option<&References>,
) -> Result<Verdicts, Unavailable> {
    let examined = decode_and_validate::<K>(deliveries, max_event_bytes);
    let known = match references {
        Some(references) => Some(references.look_up(validate::references(&examined)).await?),
        None => None,
    };
    let exists = |reference: &_| known.as_ref().is_none_or(|known| known.has(reference));
    let judge = |examined| match examined {
        Examined::Events(readings) if readings.is_empty() => vec![Finding::Ignored],
        Examined::Events(readings) => readings
            .into_iter()
            .map(|reading| match reading {
                Reading::Event(draft) => verdict::<K>(draft, exists)
                    .map(|_| Finding::Accepted)
                    .unwrap_or_else(|(no, _)| Finding::Rejected(no)),
                Reading::Ignored => Finding::Ignored,
            })
            .collect(),
        Examined::Unreadable(rejection) => vec![Finding::Rejected(rejection)],
    };
    Ok(examined.into_iter().map(judge).collect())
}
