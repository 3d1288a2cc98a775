//! Verdicts without a database that has the last word: nothing is stored, nothing acknowledged.

use super::Unavailable;
use super::check_references::References;
use super::validate::{Examined, decode_and_validate, verdict};
use super::verdict::Rejection;
use crate::events::EventKind;
use crate::intake::Delivery;

/// For each delivery, what is said of each of its events.
pub type Verdicts = Vec<Vec<Result<(), Rejection>>>;

/// What the pipeline would say of each event, by delivery; a delivery without events has none.
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
    let mut wanted = Vec::new();
    for examined in &examined {
        if let Examined::Events(drafts) = examined {
            wanted.extend(drafts.iter().flat_map(|draft| &draft.references));
        }
    }
    let known = match references {
        Some(references) => Some(references.look_up(wanted.into_iter()).await?),
        None => None,
    };
    let exists = |reference: &_| known.as_ref().is_none_or(|known| known.has(reference));
    let judge = |examined| match examined {
        Examined::Events(drafts) => drafts
            .into_iter()
            .map(|draft| verdict::<K>(draft, exists).map(drop).map_err(|(rejection, _)| rejection))
            .collect(),
        Examined::Unreadable(rejection) => vec![Err(rejection)],
    };
    Ok(examined.into_iter().map(judge).collect())
}
