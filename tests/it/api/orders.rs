//! Orders over HTTP: in, listed, and summed up.

use std::collections::BTreeSet;

use purser::api::Tokens;
use serde_json::{Value, json};

use super::{Service, json};
use crate::support::Rig;
use crate::support::orders::{order, order_with};

/// Two customers in Idaho and one elsewhere, in two currencies, over four days.
async fn seeded() -> Service {
    let service = Service::new().await;
    let orders = [
        ("a", "2020-07-01T00:00:00Z", "ann", json!(10.5), "USD", "Idaho", 1, json!(true)),
        ("b", "2020-07-01T23:59:59.999999Z", "bob", json!("20"), "USD", "idaho ", 2, json!(true)),
        ("c", "2020-07-02", "ann", json!(9.5), "USD", "Idaho", 3, json!(false)),
        ("d", "2020-07-04T12:00:00Z", "cai", json!(7.25), "CAD", "Québec", 4, json!(null)),
        ("e", "2020-07-04T12:00:00Z", "bob", json!(null), "USD", "", 5, json!(true)),
    ];
    let orders = orders.map(|(id, date, user, value, currency, province, quantity, marketing)| {
        let mut order = order_with(id, "event_date", json!(date));
        order["lovevery_user_id"] = json!(user);
        order["order_value"] = value;
        order["currency"] = json!(currency);
        order["billing_address"] = json!(null);
        order["shipping_address"] = json!({"province": province});
        order["buyer_accepts_marketing"] = marketing;
        order["line_items"] = json!([{"id": "x", "quantity": quantity}, {"id": "y", "quantity": 1}]);
        order.to_string()
    });
    assert_eq!(service.rig.words_as("order", orders).await, ["stored"; 5]);
    service
}

impl Service {
    async fn create(&self, body: &Value) -> (u16, Value) {
        json(self.request("POST", "/create").body(body.to_string()).send().await.unwrap()).await
    }

    /// The items of a list that is there as a whole.
    async fn items(&self, path: &str) -> Value {
        let (status, list) = self.get(path).await;
        assert_eq!((status, &list["next"]), (200, &Value::Null), "{path}: {list}");
        list["items"].clone()
    }

    /// The wrong parameters, with what is wrong.
    async fn wrong(&self, path: &str) -> Vec<String> {
        let (status, problem) = self.get(path).await;
        assert_eq!(status, 400, "{path}");
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| format!("{} {}", error["parameter"], error["code"]).replace('"', "")).collect()
    }
}

#[tokio::test]
async fn an_order_is_created_once() {
    let service = Service::new().await;
    let stored = |outcome: &str| json!({"outcome": outcome, "id": "one"});
    assert_eq!(service.create(&order("one")).await, (201, stored("stored")));
    assert_eq!(service.create(&order("one")).await, (200, stored("duplicate")));
    let (status, problem) = service.create(&order_with("one", "order_value", json!(6))).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &json!("content_differs")));
    let mut broken = order("two");
    broken["line_items"] = json!("[{\"id\": \"a\", \"quantity\": 0}]");
    broken["shipping_address"] = json!("123 Main St");
    let (status, problem) = service.create(&broken).await;
    let paths: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
    assert_eq!((status, paths), (422, vec![&json!("/shipping_address"), &json!("/line_items/0/quantity")]));
    assert_eq!(
        service.create(&order_with("two", "event_type", json!("order.paid"))).await,
        (200, json!({"outcome": "ignored"}))
    );
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn orders_are_listed_newest_first_and_pages_hold_while_new_ones_come() {
    let service = seeded().await;
    let ids = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|item| item["event_id"].as_str().unwrap().to_owned()).collect()
    };
    let all = service.get("/").await.1;
    assert_eq!(
        (ids(&all), &all["next"]),
        (vec!["e", "d", "c", "b", "a"].into_iter().map(String::from).collect(), &Value::Null)
    );
    let first = service.get("/?limit=2").await.1;
    assert_eq!(ids(&first), ["e", "d"]);
    for (id, date) in [("new", "2020-07-05"), ("between", "2020-07-03"), ("f", "2020-07-04T12:00:00Z")] {
        assert_eq!(service.create(&order_with(id, "event_date", json!(date))).await.0, 201);
    }
    let second = service.get(&format!("/?limit=3&cursor={}", first["next"].as_str().unwrap())).await.1;
    assert_eq!(ids(&second), ["between", "c", "b"]);
    let third = service.get(&format!("/?limit=3&cursor={}", second["next"].as_str().unwrap())).await.1;
    assert_eq!((ids(&third), &third["next"]), (vec!["a".to_owned()], &Value::Null));
    assert_eq!(service.create(&order("now")).await.0, 201);
    let newest = service.get("/?limit=1").await.1;
    assert_eq!(newest["items"], json!([order("now")]), "as it came, and dated by its receipt");
}

#[tokio::test]
async fn a_page_of_large_orders_ends_early_and_none_is_left_out() {
    let service = Service::new().await;
    let large = |id: usize| order_with(&id.to_string(), "note", json!("x".repeat(900_000))).to_string();
    assert_eq!(service.rig.words_as("order", (0..7).map(large)).await, ["stored"; 7]);
    let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), String::new(), Vec::new());
    loop {
        let page = service.get(&format!("/?limit=1000{cursor}")).await.1;
        let items = page["items"].as_array().unwrap();
        pages.push(items.len());
        seen.extend(items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((pages, seen.len()), (vec![5, 2], 7));
}

#[tokio::test]
async fn browsers_get_an_index_of_the_endpoints() {
    let service = Service::with(Rig::new().await, Tokens { api: Some("secret".into()), ..Tokens::default() }).await;
    let ask = |accept: &str| service.request("GET", "/").header("accept", accept).send();
    let page = ask("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8").await.unwrap();
    assert_eq!((page.status().as_u16(), &page.headers()["vary"]), (200, &"accept".parse().unwrap()));
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let page = page.text().await.unwrap();
    let document: Value = service.request("GET", "/openapi.json").send().await.unwrap().json().await.unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        for operation in operations.as_object().unwrap().values() {
            assert!(page.contains(operation["summary"].as_str().unwrap()), "{operation}");
        }
    }
    assert_eq!(json(ask("*/*").await.unwrap()).await.0, 401);
    assert_eq!(json(ask("application/json, text/html;q=0.9").await.unwrap()).await.0, 401);
}

#[tokio::test]
async fn customers_are_ranked_in_each_currency() {
    let service = seeded().await;
    let item = |rank: i64, user: &str, currency: &str, orders: i64, value: f64| json!({"rank": rank, "user_id": user, "currency": currency, "orders": orders, "order_value": value});
    let (ann, bob, cai) =
        (item(1, "ann", "USD", 2, 20.0), item(2, "bob", "USD", 1, 20.0), item(1, "cai", "CAD", 1, 7.25));
    let top = async |query: &str| service.items(&format!("/customers/top{query}")).await;
    assert_eq!(top("").await, json!([cai, ann, bob]));
    assert_eq!(top("?count=1").await, json!([cai, ann]));
    assert_eq!(
        top("?end_date=2020-07-01").await,
        json!([item(1, "bob", "USD", 1, 20.0), item(2, "ann", "USD", 1, 10.5)])
    );
    assert_eq!(top("?start_date=2020-07-02&end_date=2020-07-03").await, json!([item(1, "ann", "USD", 1, 9.5)]));
    assert_eq!(top("?marketing=TRUE").await, json!([item(1, "bob", "USD", 1, 20.0)]));
    assert_eq!(top("?marketing=false").await, json!([cai, ann]));
    assert_eq!(
        top("?end_date=2020-07-01&marketing=true").await,
        json!([item(1, "bob", "USD", 1, 20.0)]),
        "the latest of all orders says"
    );
    assert_eq!(top("?start_date=2030-01-01").await, json!([]));
}

#[tokio::test]
async fn values_are_summed_up_by_day_or_in_total() {
    let service = seeded().await;
    let value = async |query: &str| service.items(&format!("/orders/value{query}")).await;
    let total =
        |currency: &str, orders: i64, value: f64| json!({"currency": currency, "orders": orders, "order_value": value});
    assert_eq!(value("").await, json!([total("CAD", 1, 7.25), total("USD", 3, 40.0)]));
    assert_eq!(value("?end_date=2020-07-01&mode=total").await, json!([total("USD", 2, 30.5)]));
    assert_eq!(value("?end_date=2020-07-01T23:59:59.999998Z").await, json!([total("USD", 1, 10.5)]));
    let day = |day: &str, currency: &str, orders: i64, value: f64| json!({"date": format!("2020-07-{day}"), "currency": currency, "orders": orders, "order_value": value});
    let days = [
        day("01", "CAD", 0, 0.0),
        day("01", "USD", 2, 30.5),
        day("02", "CAD", 0, 0.0),
        day("02", "USD", 1, 9.5),
        day("03", "CAD", 0, 0.0),
        day("03", "USD", 0, 0.0),
        day("04", "CAD", 1, 7.25),
        day("04", "USD", 0, 0.0),
    ];
    assert_eq!(value("?mode=Day").await, json!(days));
    let before = json!({"date": "2020-06-30", "currency": "USD", "orders": 0, "order_value": 0.0});
    let cut = value("?mode=DAY&start_date=2020-06-30&end_date=2020-07-01T12:00:00Z").await;
    assert_eq!(cut, json!([before, day("01", "USD", 1, 10.5)]));
    assert_eq!(value("?mode=DAY&start_date=2020-07-03&end_date=2020-07-03").await, json!([]));
    assert_eq!(
        service.wrong("/orders/value?mode=DAY&start_date=0001-01-01&end_date=9999-12-31").await,
        ["mode too_many_days"]
    );
    let text = service.request("GET", "/orders/value").send().await.unwrap().text().await.unwrap();
    assert!(text.contains(r#""order_value":40.00}"#), "{text}");
}

#[tokio::test]
async fn provinces_are_one_in_whatever_case() {
    let service = seeded().await;
    let item = |province: &str, orders: i64, units: i64| json!({"province": province, "orders": orders, "line_items": 2 * orders, "units": units});
    let (idaho, quebec, unknown) = (item("Idaho", 3, 9), item("Québec", 1, 5), item("unknown", 1, 6));
    let sales = async |query: &str| service.items(&format!("/sales/province{query}")).await;
    assert_eq!(sales("").await, json!([idaho, quebec, unknown]));
    assert_eq!(sales("?province=%20IDAHO").await, json!([idaho]));
    assert_eq!(sales("?province=QU%C3%89BEC").await, json!([quebec]));
    assert_eq!(sales("?province=Unknown").await, json!([unknown]));
    assert_eq!(sales("?province=Utah").await, json!([]));
    assert_eq!(
        sales("?start_date=2020-07-01T23:59:59.999999Z&end_date=2020-07-01").await,
        json!([item("idaho", 1, 3)])
    );
    let (_, page) = service.get("/sales/province?limit=2").await;
    assert_eq!(page["items"], json!([idaho, quebec]));
    assert_eq!(sales(&format!("?limit=2&cursor={}", page["next"].as_str().unwrap())).await, json!([unknown]));
}

#[tokio::test]
async fn wrong_parameters_of_orders_are_named() {
    let service = Service::new().await;
    assert_eq!(
        service.wrong("/?limit=0&cursor=x&page=2").await,
        ["limit range", "cursor format", "page unknown_parameter"]
    );
    // The keys [1,"a\u0000"] and [9223372036854775807,"a"].
    for cursor in ["WzEsImFcdTAwMDAiXQ", "WzkyMjMzNzIwMzY4NTQ3NzU4MDcsImEiXQ"] {
        assert_eq!(service.wrong(&format!("/?cursor={cursor}")).await, ["cursor format"]);
    }
    assert_eq!(
        service.wrong("/customers/top?start_date=2020-07-02&end_date=2020-07-01&count=0&marketing=maybe").await,
        ["end_date range", "count range", "marketing format"]
    );
    assert_eq!(service.wrong("/orders/value?mode=WEEK&start_date=x").await, ["start_date format", "mode format"]);
    assert_eq!(service.wrong("/sales/province?province=%20&end_date=x").await, ["end_date format", "province format"]);
    assert_eq!(service.wrong("/sales/province?province=%00").await, ["province format"]);
}
