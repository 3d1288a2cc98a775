//! Keys of events that have none of their own.

use std::cell::RefCell;

use chrono::DateTime;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::EventKind;
use crate::intake::Delivery;

/// Bytes of a key that neighbours share: as many as the milliseconds of a time take.
const SHARED: usize = 6;

/// The key of an event without a natural one: the same for every redelivery of its message.
///
/// It begins alike for deliveries that arrive together, and a hash follows. Where nothing but a hash
/// chooses the page of the index that a key goes to, nearly every row of a large table dirties a page of
/// its own: into 50 million rows that took three times as long, and ten times as much write-ahead log.
#[must_use]
pub fn event_id<K: EventKind>(delivery: &Delivery, position: usize) -> Uuid {
    let (message, record) = delivery.id.rsplit_once('#').unwrap_or((&delivery.id, ""));
    let (mut hash, shared) = begun(K::NAME, &delivery.id, message);
    hash.update(record);
    hash.update(format!("#{position}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[..SHARED].copy_from_slice(&shared);
    Uuid::new_v8(bytes)
}

/// What the ids of a file have in common.
struct File {
    kind: &'static str,
    /// All of them, up to the number of the record.
    message: String,
    hash: Sha256,
    shared: [u8; SHARED],
}

/// The hash of the kind and the delivery id up to its last `#`, and what keys of that message share. The records of a
/// file follow each other: what they have in common is hashed once.
fn begun(kind: &'static str, id: &str, message: &str) -> (Sha256, [u8; SHARED]) {
    thread_local! {
        static LAST: RefCell<Option<File>> = const { RefCell::new(None) };
    }
    let begin = || {
        let hash = Sha256::new_with_prefix(kind).chain_update(":").chain_update(&id[..id.len().min(message.len() + 1)]);
        (hash, shared(id))
    };
    if !message.starts_with("file:") || message.len() == id.len() {
        return begin();
    }
    LAST.with_borrow_mut(|last| match last {
        Some(file) if file.kind == kind && file.message == message => (file.hash.clone(), file.shared),
        _ => {
            let (hash, shared) = begin();
            *last = Some(File { kind, message: message.to_owned(), hash: hash.clone(), shared });
            (hash, shared)
        }
    })
}

/// What a delivery id has in common with those of its time, or of its file. Made of the id alone, so that
/// it can never tell two deliveries of one message apart.
fn shared(delivery_id: &str) -> [u8; SHARED] {
    let (message, _record) = delivery_id.rsplit_once('#').unwrap_or((delivery_id, ""));
    let millis = publish_time(message).or_else(|| request_time(message));
    let mut shared = [0; SHARED];
    match millis {
        Some(millis) => shared.copy_from_slice(&millis.to_be_bytes()[2..]),
        None => shared.copy_from_slice(&Sha256::digest(message)[..SHARED]),
    }
    shared
}

/// Of `pubsub:…:2026-09-21T14:13:20.120000000Z`.
fn publish_time(id: &str) -> Option<u64> {
    const CHARS: usize = "2026-09-21T14:13:20.120000000Z".len();
    let time = id.get(id.len().checked_sub(CHARS)?..)?;
    u64::try_from(DateTime::parse_from_rfc3339(time).ok()?.timestamp_millis()).ok()
}

/// Of `http:…:<uuid v7>`, the key of a request that brought none.
fn request_time(id: &str) -> Option<u64> {
    let key = Uuid::try_parse(id.rsplit(':').next()?).ok()?;
    let (seconds, nanos) = key.get_timestamp()?.to_unix();
    seconds.checked_mul(1000)?.checked_add(u64::from(nanos) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: [u8; 6] = [0x01, 0x9f, 0xb7, 0x7e, 0x88, 0xf8];

    #[test]
    fn what_arrives_together_begins_alike() {
        assert_eq!(
            shared("pubsub:projects/p/subscriptions/s:7:2026-08-01T00:00:00.120000000Z"),
            expected(1_785_542_400_120)
        );
        let key = "http:product_view:019fb77e-88f8-7000-8000-0123456789ab";
        assert_eq!(shared(key), TIME);
        assert_eq!(shared(&format!("{key}#7")), TIME);
        assert_eq!(shared("file:ab12#0"), shared("file:ab12#99"));
        assert_ne!(shared("file:ab12#0"), shared("file:ab13#0"));
    }

    fn expected(millis: u64) -> [u8; 6] {
        millis.to_be_bytes()[2..].try_into().unwrap()
    }

    #[test]
    fn what_is_hashed_once_is_what_would_be_hashed_each_time() {
        for id in ["file:ab#0", "file:ab#12", "file:ab", "file:ac#0", "pubsub:s:7", "file:ab#0", "", "#", "file:ab#1#2"]
        {
            let (message, record) = id.rsplit_once('#').unwrap_or((id, ""));
            let (hash, shares) = begun("kind", id, message);
            assert_eq!(hash.chain_update(record).finalize(), Sha256::digest(format!("kind:{id}")), "{id}");
            assert_eq!(shares, shared(id));
        }
    }

    #[test]
    fn keys_that_senders_choose_are_hashed() {
        for id in ["", "#", "http:ab_event:retry-7", "pubsub:s:7:", "pubsub:s:key:é2026-08-01T00:00:00.12000000Z"] {
            assert_eq!(shared(id), Sha256::digest(id.trim_end_matches('#'))[..6], "{id}");
        }
    }
}
