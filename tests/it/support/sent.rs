//! A message that was sent, whichever way, and what must become of it.

use bytes::Bytes;
use chrono::Utc;
use purser::events::{AbEvent, EventKind, Kind, ProductView, event_id};
use purser_producer::Message;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::delivery_with;

/// How a message came in, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    PubSub,
    Http,
    File,
}

/// A message, whoever sent it how often.
#[derive(Clone)]
pub struct Sent {
    pub kind: &'static Kind,
    pub payload: Bytes,
    pub attributes: Vec<(&'static str, String)>,
    pub expected: Vec<Expected>,
}

/// What must become of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// A row of this key. Of messages with other bytes and the same key, one is the row; the others are letters.
    Row(String),
    /// A row of this key, and maybe a letter that waited for its references.
    RowInTheEnd(String),
    /// A dead letter.
    Letter { position: u64, reason: &'static str },
}

impl Sent {
    /// A message of the shop, with what follows from what is wrong with it.
    pub fn new(kind: &str, message: Message, way: Way) -> Sent {
        let Message { payload, mut attributes, fault, .. } = message;
        let kind = Kind::named(kind).unwrap();
        // A publisher's retry of what has no readable id of its own must be the same event.
        let has_no_id = matches!(fault, Some("cut_off" | "no_id" | "no_event_id"));
        if has_no_id && !attributes.iter().any(|(name, _)| *name == KEY) {
            attributes.push((KEY, Uuid::from_slice(&Sha256::digest(&payload)[..16]).unwrap().to_string()));
        }
        let mut sent = Sent { kind, payload, attributes, expected: Vec::new() };
        sent.expected = sent.expect(fault, way);
        sent
    }

    /// A message that is a dead letter as a whole.
    pub fn hopeless(kind: &str, payload: Vec<u8>, reason: &'static str) -> Sent {
        let key = Uuid::from_slice(&Sha256::digest(&payload)[..16]).unwrap().to_string();
        let expected = vec![Expected::Letter { position: 0, reason }];
        Sent { kind: Kind::named(kind).unwrap(), payload: payload.into(), attributes: vec![(KEY, key)], expected }
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    fn expect(&self, fault: Option<&str>, way: Way) -> Vec<Expected> {
        let letter = |reason| vec![Expected::Letter { position: 0, reason }];
        match fault {
            Some("cut_off") => return letter("decode"),
            Some("unknown_user" | "unknown_article") => return letter("reference"),
            None | Some("id_of_another") => {}
            Some(_) if self.kind.name != ProductView::NAME => return letter("shape"),
            Some(_) => {}
        }
        let body: Value = serde_json::from_slice(&self.payload).unwrap();
        match self.kind.name {
            "purchase" => vec![Expected::Row(key(&body["id_"]))],
            "order" => vec![Expected::Row(key(&body["event_id"]))],
            "click_event" => vec![Expected::Row(key(&body["id"]))],
            "ab_event" => vec![Expected::Row(self.event_id::<AbEvent>(way, 0))],
            _ => self.expect_views(&body, fault, way),
        }
    }

    /// Of a batch, the views count.
    fn expect_views(&self, body: &Value, fault: Option<&str>, way: Way) -> Vec<Expected> {
        let all_broken = matches!(fault, Some("no_platform" | "platform_in_words"));
        let events = body["events"].as_array().unwrap().iter().enumerate();
        let views = events.filter(|(_, event)| event["data"]["event_name"] == "product");
        let expect = |(position, view): (usize, &Value)| {
            let data = &view["data"];
            let right = data["custom_attributes"]["codeColor"].is_string() && data["timestamp_unixtime_ms"].is_number();
            match right && !all_broken {
                true => Expected::Row(self.event_id::<ProductView>(way, position)),
                false => Expected::Letter { position: position as u64, reason: "shape" },
            }
        };
        views.map(expect).collect()
    }

    /// The id of an event that has none of its own.
    fn event_id<K: EventKind>(&self, way: Way, position: usize) -> String {
        let key = self.attribute(KEY).unwrap();
        let delivery = match way {
            Way::PubSub => {
                let subscription = self.kind.subscription;
                format!("pubsub:projects/data-engineering/subscriptions/{subscription}:key:{key}")
            }
            Way::Http => format!("http:{}:{key}", K::NAME),
            Way::File => panic!("it has an id of its own"),
        };
        let (delivery, _) = delivery_with(delivery, Bytes::new(), Utc::now());
        event_id::<K>(&delivery, position).to_string()
    }
}

/// The attribute that makes two messages the same one.
pub const KEY: &str = "idempotency_key";

fn key(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
