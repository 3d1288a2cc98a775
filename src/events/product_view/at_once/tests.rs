//! What is read at a glance is what is read when all is decoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::events::EventKind as _;
use crate::intake::{Origin, Receipt};
use crate::pipeline::Outcome;
use crate::pipeline::decode::decode;

struct Nobody;

impl Receipt for Nobody {
    fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {}
}

fn delivery(payload: &[u8], object: &str) -> Delivery {
    let published_at = "2016-02-02T00:00:00Z".parse().unwrap();
    Delivery {
        id: "file:00#7".to_owned(),
        payload: Bytes::copy_from_slice(payload),
        published_at,
        received_at: published_at,
        origin: Origin::File {
            object: object.into(),
            record: 8,
            attributes: Arc::new(BTreeMap::new()),
            too_large: None,
        },
        replays: None,
        receipt: Box::new(Nobody),
    }
}

fn described(readings: &[Reading<ProductView>]) -> Vec<String> {
    let describe = |reading: &Reading<ProductView>| match reading {
        Reading::Event(draft) => format!("{:?} {:?} {:?}", draft.key, draft.event, draft.violations),
        Reading::Ignored => "ignored".to_owned(),
    };
    readings.iter().map(describe).collect()
}

/// Whether a payload is read at a glance. If so, it is read as it is otherwise.
fn glances(payload: &[u8]) -> bool {
    let delivery = delivery(payload, "/data/iOS/views.json");
    let Some(readings) = ProductView::parse_at_once(payload, &delivery) else { return false };
    let json = decode(payload).unwrap_or_else(|wrong| panic!("{wrong:?} in {}", String::from_utf8_lossy(payload)));
    let all = ProductView::parse(&json, &delivery);
    assert_eq!(described(&readings), described(&all), "{}", String::from_utf8_lossy(payload));
    assert!(readings.iter().all(|reading| matches!(reading, Reading::Ignored | Reading::Event(_))));
    true
}

const REAL: &str = r#"  {
    "events": [
      {
        "data": {
          "custom_event_type": "navigation",
          "event_name": "product",
          "timestamp_unixtime_ms": 1454361579158.9556,
          "event_id": 679644799952992000,
          "session_id": -7147916473548190000,
          "custom_attributes": {
            "codeColor": "20005748_001"
          }
        },
        "event_type": "custom_event"
      }
    ],
    "mpid": 196509116834317000,
    "timestamp_unixtime_ms": 1515567969539.8047
  }
"#;

#[test]
fn what_a_shop_sends_is_read_at_a_glance() {
    for payload in [
        REAL,
        r#"{"events":[]}"#,
        r#"{"mpid":null,"events":[{"event_type":"screen_view"},{},{"event_type":"custom_event","data":{}}]}"#,
        r#"{"events":[{"event_type":"custom_event","data":{"event_name":"product","timestamp_unixtime_ms":1454328000000,
           "custom_attributes":{"codeColor":7,"more":[{"é":[null,true]}]},"session_id":"s"}}],"mpid":9999999999999999999}"#,
    ] {
        assert!(glances(payload.as_bytes()), "{payload}");
    }
}

#[test]
fn what_is_wrong_or_rare_is_not() {
    for (part, instead) in [
        ("20005748_001", ""),
        ("\"20005748_001\"", "null"),
        ("20005748_001", "\\u0032"),
        ("1454361579158.9556", "1.4543e12"),
        ("1454361579158.9556", "1454700000000.5"),
        ("1454361579158.9556", "\"1454361579158\""),
        ("679644799952992000", "1.5"),
        ("679644799952992000", "10000000000000000000000"),
        ("-7147916473548190000", "-9223372036854775809"),
        ("\"event_name\": \"product\"", "\"event_name\": \"product\", \"event_name\": \"x\""),
        ("196509116834317000", "-0"),
        ("1515567969539.8047", "01"),
        ("codeColor", "color"),
    ] {
        assert!(REAL.contains(part));
        assert!(!glances(REAL.replace(part, instead).as_bytes()), "{part} as {instead}");
    }
    let nowhere = delivery(REAL.as_bytes(), "/data/views.json");
    assert!(ProductView::parse_at_once(REAL.as_bytes(), &nowhere).is_none());
    let many = format!(r#"{{"events":[{}{{}}]}}"#, "{},".repeat(30));
    assert!(!glances(many.as_bytes()));
}

fn value() -> impl Strategy<Value = String> {
    let values = [
        "null",
        "true",
        "0",
        "-0",
        "-7",
        "1454361579158.9556",
        "1454328000000",
        "1454328000000.0",
        "946684799999.999",
        "1e3",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616",
        "\"\"",
        "\"text\"",
        "\"é\"",
        "\"product\"",
        "\"custom_event\"",
        "\"\\n\"",
        "[]",
        "{}",
        "[1,{\"a\":2}]",
        "{\"codeColor\":\"1\"}",
        "{\"codeColor\":2.5,\"x\":[]}",
        "\u{1}",
        "nul",
    ];
    proptest::sample::select(values.to_vec()).prop_map(str::to_owned)
}

fn object(fields: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<String> {
    let name = proptest::sample::select(fields);
    let space = proptest::sample::select(vec!["", "", " ", "\n            ", "\r\n\t"]);
    let field = (name, space).prop_flat_map(|((name, value), space)| {
        let any = prop_oneof![8 => value, 1 => self::value()];
        any.prop_map(move |value| format!("{space}\"{name}\":{space}{value}{space}"))
    });
    proptest::collection::vec(field, 0..7).prop_map(|fields| format!("{{{}}}", fields.join(","))).boxed()
}

fn batch() -> impl Strategy<Value = String> {
    let is = |text: &str| Just(format!("\"{text}\"")).boxed();
    let attributes = object(vec![("codeColor", is("20005748_001")), ("other", value().boxed())]);
    let data = object(vec![
        ("event_name", is("product")),
        ("timestamp_unixtime_ms", Just("1454361579158.9556".to_owned()).boxed()),
        ("event_id", value().boxed()),
        ("session_id", value().boxed()),
        ("custom_attributes", attributes),
        ("other", value().boxed()),
    ]);
    let event = object(vec![("event_type", is("custom_event")), ("data", data), ("other", value().boxed())]);
    let events = proptest::collection::vec(event, 0..4).prop_map(|events| format!("[{}]", events.join(" ,")));
    object(vec![("events", events.boxed()), ("mpid", value().boxed()), ("other", value().boxed())])
}

/// With a few bytes left out, doubled, or put in place of others.
fn mutated(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let change =
        (any::<proptest::sample::Index>(), 0..3_u8, proptest::sample::select(b"{}[]\",:.0e-\\ \xff\0a".to_vec()));
    (text, proptest::collection::vec(change, 0..3)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (place, how, byte) in changes {
            let at = place.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whatever_is_read_at_a_glance_is_read_alike(payload in mutated(batch())) {
        glances(&payload);
    }

    #[test]
    fn and_so_are_real_ones_with_a_few_bytes_changed(payload in mutated(Just(REAL.to_owned()))) {
        glances(&payload);
    }
}
