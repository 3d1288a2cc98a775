//! A message of any bytes gets a verdict, the same each time, and one that its sender can act upon.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::executor::block_on;
use purser::events::{AbEvent, ClickEvent, ContentHash, Draft, EventKind, Kind, Order, ProductView, Purchase, Reading};
use purser::intake::{Delivery, Origin, Receipt};
use purser::pipeline::Outcome;
use purser::pipeline::check::Finding;
use purser::pipeline::check_references::{Known, Reference};
use purser::pipeline::decode::{Json, decode};
use purser::pipeline::validate::{Examined, decode_and_validate};
use purser::pipeline::verdict::{Code, Reason, Rejection, Violation};

use super::pointer::leads_somewhere;

/// What is said of a message beside its payload.
pub type Attributes = BTreeMap<String, String>;

/// Larger payloads are not looked into.
const MAX_BYTES: usize = 1 << 20;
/// The most violations of a report, and the one that says that there are more.
const VIOLATIONS: usize = 101;
/// The most characters of what is quoted, and the sign that it was cut.
const ACTUAL_CHARS: usize = 121;

/// A message of any of the kinds.
pub fn of_every_kind(payload: &[u8], attributes: &Attributes) {
    message::<Purchase>(payload, attributes);
    message::<AbEvent>(payload, attributes);
    message::<Order>(payload, attributes);
    message::<ClickEvent>(payload, attributes);
    message::<ProductView>(payload, attributes);
}

/// The same, of lines of `name=value`, an empty line, and the payload.
pub fn with_attributes(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    let attribute = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    of_every_kind(bytes.get(end + 2..).unwrap_or_default(), &text.lines().filter_map(attribute).collect());
}

/// A message of one kind.
pub fn message<K: EventKind>(payload: &[u8], attributes: &Attributes) {
    let events = match examined::<K>(payload, attributes) {
        Examined::Unreadable(rejection) => return unreadable::<K>(payload, attributes, &rejection),
        Examined::Events(events) => events,
    };
    assert_eq!(said(&events), said(&readings::<K>(payload, attributes)), "the same bytes have the same verdict");
    let json = decode(payload).expect("what was read is JSON");
    for (position, reading) in events.iter().enumerate() {
        if let Reading::Event(draft) = reading {
            assert_eq!(draft.event.is_some(), draft.violations.is_empty(), "wrong, if and only if something is");
            draft.violations.iter().for_each(|violation| can_be_acted_upon(violation, &json));
            assert!(draft.references.iter().all(|reference| !reference.id.to_string().is_empty()));
        }
        for (name, value) in K::keys(&json, u32::try_from(position).unwrap()) {
            assert!(!name.is_empty() && !value.is_empty(), "a key that names nothing");
        }
    }
    checking_says_the_same::<K>(payload, attributes, &events);
    is_what_it_says_not_how::<K>(payload, attributes, events);
}

fn unreadable<K: EventKind>(payload: &[u8], attributes: &Attributes, rejection: &Rejection) {
    match rejection.reason {
        Reason::Decode => assert_eq!(decode(payload).as_ref().err(), rejection.violations.first()),
        Reason::Oversize => assert!(payload.len() > MAX_BYTES),
        other => panic!("{other} is said of what was read"),
    }
    assert_eq!(rejection.violations.len(), 1);
    assert!(matches!(checked::<K>(payload, attributes).as_slice(), [Finding::Rejected(same)] if same == rejection));
}

/// A code, a place that is there, and words of a readable length.
fn can_be_acted_upon(violation: &Violation, json: &Json<'_>) {
    let Violation { code, path, expected, actual, message } = violation;
    assert!(Code::ALL.contains(code));
    assert!(leads_somewhere(json, path, *code == Code::Missing), "{path} leads nowhere: {message}");
    assert!(
        !expected.is_empty() && !actual.is_empty() && !message.is_empty(),
        "{violation:?} does not say what is wrong"
    );
    assert!(actual.chars().count() <= ACTUAL_CHARS, "{} characters are quoted", actual.chars().count());
}

fn checking_says_the_same<K: EventKind>(payload: &[u8], attributes: &Attributes, events: &[Reading<K>]) {
    let findings = checked::<K>(payload, attributes);
    assert_eq!(findings.len(), events.len().max(1), "one finding for each event");
    for (finding, reading) in findings.iter().zip(events) {
        match (finding, reading) {
            (Finding::Accepted, Reading::Event(draft)) => assert!(draft.violations.is_empty()),
            (Finding::Rejected(rejection), Reading::Event(draft)) => {
                assert!(!draft.violations.is_empty() && (1..=VIOLATIONS).contains(&rejection.violations.len()));
                assert_eq!(rejection.reason, Reason::Shape);
            }
            (Finding::Ignored, Reading::Ignored) => {}
            _ => panic!("{finding:?}, but the pipeline reads something else"),
        }
    }
}

/// What was accepted is the same event however a sender writes it down. (Fractions of so many digits that the
/// parser reads another one when it is written again are another event.)
fn is_what_it_says_not_how<K: EventKind>(payload: &[u8], attributes: &Attributes, events: Vec<Reading<K>>) {
    let written = written_again(payload);
    if decode(&written) != decode(payload) {
        return;
    }
    let again = readings::<K>(&written, attributes);
    assert_eq!(events.len(), again.len());
    for (one, other) in events.into_iter().zip(again) {
        match (one, other) {
            (Reading::Event(one), Reading::Event(other)) => {
                if let Some(one) = identity(one) {
                    assert_eq!(Some(one), identity(other), "the same event, written again, is another one");
                }
            }
            (Reading::Ignored, Reading::Ignored) => {}
            _ => panic!("an event is ignored in one spelling only"),
        }
    }
}

/// Without white space and needless escapes, and as long as before: how many events a batch may hold goes
/// by its length.
fn written_again(payload: &[u8]) -> Vec<u8> {
    let json = decode(payload).expect("what was read is JSON");
    let mut text = serde_json::to_vec(&json).expect("JSON can be written");
    text.resize(text.len().max(payload.len()), b' ');
    text
}

/// The key and content of an event that was accepted.
fn identity<K: EventKind>(draft: Draft<K>) -> Option<(String, ContentHash)> {
    let key = draft.key.map(|key| key.to_string());
    let row = K::enrich(draft.event?, received_at(), &Known::default());
    assert_eq!(key.as_ref(), Some(&K::key(&row).to_string()), "an accepted event has a key, and keeps it");
    let key = key.unwrap_or_default();
    assert!((1..=255).contains(&key.len()), "a key of {} bytes", key.len());
    Some((key, K::content_hash(&row)))
}

fn said<K: EventKind>(events: &[Reading<K>]) -> Vec<String> {
    let said = |reading: &Reading<K>| match reading {
        Reading::Event(draft) => {
            let key = draft.key.as_ref().map(ToString::to_string);
            let references: BTreeSet<_> = draft.references.iter().map(Reference::missing).collect();
            format!("{key:?} {references:?} {:?}", draft.violations)
        }
        Reading::Ignored => "ignored".to_owned(),
    };
    events.iter().map(said).collect()
}

fn readings<K: EventKind>(payload: &[u8], attributes: &Attributes) -> Vec<Reading<K>> {
    match examined(payload, attributes) {
        Examined::Events(events) => events,
        Examined::Unreadable(rejection) => panic!("it was readable before: {rejection:?}"),
    }
}

fn examined<K: EventKind>(payload: &[u8], attributes: &Attributes) -> Examined<K> {
    let delivery = delivery(payload, attributes);
    decode_and_validate(std::slice::from_ref(&delivery), MAX_BYTES).remove(0)
}

fn checked<K: EventKind>(payload: &[u8], attributes: &Attributes) -> Vec<Finding> {
    let kind = Kind::named(K::NAME).expect("every kind is registered");
    let delivery = delivery(payload, attributes);
    let verdicts = block_on(kind.check(std::slice::from_ref(&delivery), MAX_BYTES, None));
    verdicts.expect("nothing is looked up").remove(0)
}

fn delivery(payload: &[u8], attributes: &Attributes) -> Delivery {
    Delivery {
        id: "pubsub:any:1:2026-06-01T00:00:00.000000000Z".to_owned(),
        payload: Bytes::copy_from_slice(payload),
        published_at: received_at(),
        received_at: received_at(),
        origin: Origin::PubSub {
            subscription: "any".into(),
            message_id: "1".to_owned(),
            publish_time: received_at(),
            ordering_key: String::new(),
            delivery_attempt: None,
            attributes: attributes.clone(),
        },
        receipt: Box::new(Unheard),
        replays: None,
    }
}

fn received_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_272_000, 0).unwrap_or_default()
}

/// Nobody waits for the outcome.
struct Unheard;

impl Receipt for Unheard {
    fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {}
}
