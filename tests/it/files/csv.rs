//! Events as CSV: a row is an event whose fields are the columns.

use purser::intake::files::{Again, Summary};
use purser::pipeline::verdict::Reason;
use serde_json::{Value, json};

use super::{Back, id};
use crate::support::shop::user;

/// Two purchases, whose carts are texts, and a row that lacks cells.
fn rows() -> String {
    let cart = r#""[{""article_id"":""x""}]""#;
    let row = |number: u128| format!("{};2026-01-07T22:30:01;{};;{cart}\r\n", id(number), user(1));
    format!("\u{feff}id_;timestamp;user_id;note;cart\r\n{}{};{}\r\n{}", row(1), id(2), user(1), row(3))
}

impl Back {
    async fn payloads(&self) -> Vec<(u64, String)> {
        let records: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT record FROM dead_letter_outbox").fetch_all(self.rig.pool()).await.unwrap();
        let record = |record: Vec<u8>| {
            let record: Value = serde_json::from_slice(&record).unwrap();
            (record["source"]["record"].as_u64().unwrap(), record["payload"]["data"].as_str().unwrap().to_owned())
        };
        let mut payloads: Vec<(u64, String)> = records.into_iter().map(record).collect();
        payloads.sort_unstable_by_key(|(record, _)| *record);
        payloads
    }
}

#[tokio::test]
async fn a_row_is_an_event_and_can_be_replayed_as_one() {
    let mut back = Back::new().await;
    let path = back.write("purchases.csv", rows());
    let counts = back.counts(&path).await;
    assert_eq!(counts.rejected, [(Reason::Shape, 3)].into());
    let event = |number: u128| {
        let (id, user, cart) = (id(number), user(1), r#""[{\"article_id\":\"x\"}]""#);
        format!(r#"{{"id_":"{id}","timestamp":"2026-01-07T22:30:01","user_id":"{user}","cart":{cart}}}"#)
    };
    let payloads = [(1, event(1)), (2, json!([id(2), user(1)]).to_string()), (3, event(3))];
    assert_eq!(back.payloads().await, payloads);
    back.rig.assert_accounts_agree().await;

    let packed = back.write("packed", zstd::encode_all(rows().as_bytes(), 1).unwrap());
    let summary = back.ingest(packed.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(summary, Summary { already: 1, ..Summary::default() });

    // The payload of a dead letter is the same event.
    let replayed = back.write("again.json", &payloads[0].1);
    assert_eq!(back.counts(&replayed).await.rejected_before, [(Reason::Shape, 1)].into());
}

#[tokio::test]
async fn rows_are_numbered_and_resumed_as_records_are() {
    let mut back = Back::new().await;
    let path = back.write("purchases.csv", rows());
    let (answer, success) = back.answer(&["check", "purchase", path.to_str().unwrap()]);
    let wrong: Vec<&str> = answer.lines().filter(|line| line.starts_with('/')).collect();
    let rejected = |number: u32| format!("{}:{number}: rejected shape", path.display());
    assert_eq!((wrong, success), ([1, 2, 3].map(rejected).iter().map(String::as_str).collect(), false));
    assert!(answer.contains("wrong_type: the event: expected a purchase, found an array of 2"), "{answer}");

    back.counts(&path).await;
    let forget = "UPDATE ingested_files SET committed_position = 2, finished_at = NULL";
    sqlx::query(forget).execute(back.rig.pool()).await.unwrap();
    let summary = back.ingest(path.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(summary.counts.rejected_before, [(Reason::Shape, 1)].into());
}

/// Cells that hold JSON, once as it is and once as a JSON string; the second order has no value.
#[tokio::test]
async fn orders_are_the_same_as_csv_and_as_json() {
    let back = Back::new().await;
    let address = json!({ "city": "Boise, \"North\"", "province": "Idaho" });
    let items = json!([{ "id": "31244085395571", "quantity": "2" }]);
    let order = |number: u32, address: &Value, items: &Value| {
        let order = json!({ "event_type": "order.created", "event_id": format!("e{number}"), "lovevery_user_id": "666",
                            "event_date": "2020-07-12", "currency": "USD", "buyer_accepts_marketing": "true" });
        let mut order = order.as_object().unwrap().clone();
        order.extend([("shipping_address".to_owned(), address.clone()), ("line_items".to_owned(), items.clone())]);
        order.extend((number == 1).then(|| ("order_value".to_owned(), json!("19.90"))));
        order
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names: Vec<String> = order(1, &address, &items).keys().cloned().collect();
    writer.write_record(&names).unwrap();
    let wrapped = |value: &Value| json!(value.to_string());
    let once = order(1, &wrapped(&address), &wrapped(&items));
    let twice = order(2, &wrapped(&wrapped(&address)), &wrapped(&wrapped(&items)));
    for order in [&once, &twice] {
        writer
            .write_record(names.iter().map(|name| order.get(name).map_or("", |cell| cell.as_str().unwrap())))
            .unwrap();
    }
    let path = back.write("orders.csv", writer.into_inner().unwrap());
    let (answer, _) = back.answer(&["ingest", "order", path.to_str().unwrap()]);
    assert!(answer.contains("records: 2 stored, 0 duplicate, 0 rejected"), "{answer}");
    let sums = "SELECT count(*) FROM order_events WHERE province = 'Idaho' AND units = 2 AND (order_value = 19.90) IS NOT FALSE";
    assert_eq!(back.rig.number(sums).await, 2);

    let json: String = [1, 2].map(|number| Value::from(order(number, &address, &items)).to_string() + "\n").concat();
    let path = back.write("orders.ndjson", json);
    let (answer, _) = back.answer(&["ingest", "order", path.to_str().unwrap()]);
    assert!(answer.contains("records: 0 stored, 2 duplicate, 0 rejected"), "{answer}");
}
