//! Verdicts without a database that has the last word: nothing is stored, nothing acknowledged.

use super::Unavailable;
use super::check_references::References;
use super::validate::{Examined, decode_and_validate, verdict};
use super::verdict::Rejection;
use crate::events::EventKind;
use crate::intake::Delivery;

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
) -> Result<Vec<Vec<Result<(), Rejection>>>, Unavailable> {
    let examined = decode_and_validate::<K>(deliveries, max_event_bytes);
    let drafts = examined.iter().filter_map(|examined| match examined {
        Examined::Events(drafts) => Some(drafts),
        Examined::Unreadable(_) => None,
    });
    let known = match references {
        Some(references) => Some(references.look_up(drafts.flatten().flat_map(|draft| &draft.references)).await?),
        None => None,
    };
    let exists = |reference: &_| known.as_ref().is_none_or(|known| known.has(reference));
    let judge = |examined| match examined {
        Examined::Events(drafts) => drafts.into_iter().map(|draft| verdict::<K>(draft, exists).map(drop)).collect(),
        Examined::Unreadable(rejection) => vec![Err(rejection)],
    };
    Ok(examined.into_iter().map(judge).collect())
}
