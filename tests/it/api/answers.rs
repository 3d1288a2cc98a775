//! Answers about what was stored, compared with the same question put to the rows themselves.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use super::Service;
use crate::support::shop;

/// Ends of periods: open, on months, days and hours, and on neither.
const PERIODS: [(&str, &str); 9] = [
    ("", ""),
    ("2025-11-15T05:00:00Z", ""),
    ("", "2026-01-20T17:00:00Z"),
    ("2025-12-01", "2026-01-01"),
    ("2025-12-24", "2025-12-27"),
    ("2025-11-30T22:00:00Z", "2026-02-02T03:00:00Z"),
    ("2025-12-31T23:00:00%2B01:00", "2026-01-01T03:00:00Z"),
    ("2025-12-10T07:00:00Z", "2025-12-10T08:00:00Z"),
    ("2031-01-01", "2031-02-01"),
];

/// A service on 400 purchases between November and February, some of them in two currencies, and one that
/// has an article without price and currency.
async fn seeded() -> Service {
    let service = Service::new().await;
    let bare = sqlx::query("INSERT INTO articles (id, name) VALUES ($1, 'Free')").bind(shop::article(4));
    bare.execute(service.rig.pool()).await.unwrap();
    let start: DateTime<Utc> = "2025-11-03T00:30:00Z".parse().unwrap();
    let purchases = (0_i64..400).map(|number| {
        let lines = (0..=number % 3).map(|line| {
            let article = 1 + u128::try_from((number * 7 + line * line) % 4).unwrap();
            json!({"article_id": shop::article(article), "quantity": 1 + number % 5})
        });
        let mut purchase = shop::purchase_with(Uuid::now_v7(), "cart", lines.collect());
        purchase["timestamp"] = json!(start + TimeDelta::minutes(number * number % 150_000));
        purchase["user_id"] = json!(shop::user(1 + number.unsigned_abs() as u128 % 4));
        purchase.to_string()
    });
    assert!(service.rig.words(purchases).await.iter().all(|word| word == "stored"));
    service
}

fn query(path: &str, (from, to): (&str, &str), more: &[(&str, &str)]) -> String {
    let ends = [("from", from), ("to", to)].into_iter().filter(|(_, end)| !end.is_empty());
    let pairs: Vec<String> = ends.chain(more.iter().copied()).map(|(name, value)| format!("{name}={value}")).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// The rows' own answer, as a JSON array.
async fn expected(pool: &PgPool, sql: &'static str, (from, to): (&str, &str), extra: &str) -> Value {
    let end = |text: &str| (!text.is_empty()).then(|| text.replace("%2B", "+"));
    let asked = sqlx::query_scalar(sql).bind(end(from)).bind(end(to)).bind(extra);
    asked.fetch_one(pool).await.unwrap()
}

const STATES: &str = "
    SELECT coalesce(jsonb_agg(item), '[]') FROM (
        SELECT coalesce(state, 'unknown') AS state, coalesce(currency, 'unknown') AS currency,
               count(DISTINCT purchase_id) AS purchases, sum(quantity) AS units, coalesce(sum(amount), 0.00) AS amount
        FROM sales
        WHERE occurred_at >= coalesce($1::timestamptz, '-infinity') AND occurred_at < coalesce($2::timestamptz, 'infinity')
            AND $3::text = ''
        GROUP BY state, currency
        ORDER BY coalesce(state, 'unknown') COLLATE \"C\", coalesce(currency, 'unknown') COLLATE \"C\") AS item";

const TOP: &str = "
    SELECT coalesce(jsonb_agg(item), '[]') FROM (
        SELECT row_number() OVER (ORDER BY sum(quantity) DESC, article_id) AS rank, article_id,
               min(article_name) AS name, coalesce(currency, 'unknown') AS currency, sum(quantity) AS units,
               count(DISTINCT purchase_id) AS purchases, coalesce(sum(amount), 0.00) AS amount
        FROM sales
        WHERE occurred_at >= coalesce($1::timestamptz, '-infinity') AND occurred_at < coalesce($2::timestamptz, 'infinity')
        GROUP BY article_id, currency
        ORDER BY 1
        LIMIT $3::text::int) AS item";

const OVER_TIME: &str = "
    WITH bucketed AS (
        SELECT greatest(date_trunc($3, occurred_at, 'UTC'), $1::timestamptz) AS start, *
        FROM sales
        WHERE occurred_at >= coalesce($1::timestamptz, '-infinity') AND occurred_at < coalesce($2::timestamptz, 'infinity')
    ), amounts AS (
        SELECT start, coalesce(currency, 'unknown') AS currency, sum(quantity) AS units, coalesce(sum(amount), 0.00) AS amount
        FROM bucketed GROUP BY 1, 2
    ), buckets AS (
        SELECT start, count(DISTINCT purchase_id) AS sales,
               (SELECT jsonb_agg(jsonb_build_object('currency', currency, 'units', units, 'amount', amount)
                                 ORDER BY currency COLLATE \"C\")
                FROM amounts WHERE amounts.start = bucketed.start) AS amounts
        FROM bucketed GROUP BY start
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object('start', to_char(start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                                                 'sales', sales, 'amounts', amounts) ORDER BY start), '[]')
    FROM buckets";

#[tokio::test]
async fn sums_are_those_of_the_rows() {
    let service = seeded().await;
    let pool = service.rig.pool();
    for period in PERIODS {
        let (status, states) = service.get(&query("/sales/states", period, &[])).await;
        let rows = expected(pool, STATES, period, "").await;
        assert_eq!((status, states), (200, json!({"items": rows, "next": null})), "{period:?}");
        for limit in ["2", "10"] {
            let (status, top) = service.get(&query("/articles/top", period, &[("limit", limit)])).await;
            let rows = expected(pool, TOP, period, limit).await;
            assert_eq!((status, top), (200, json!({"items": rows, "next": null})), "{period:?}");
        }
    }
    let all = service.get("/sales/states").await.1;
    let states: Vec<&str> =
        all["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert!(["AP", "ID", "TX", "unknown"].iter().all(|state| states.contains(state)), "{states:?}");
}

#[tokio::test]
async fn sums_over_time_are_those_of_the_rows() {
    let service = seeded().await;
    for period in PERIODS {
        for bucket in ["hour", "day", "month"] {
            let (status, answer) = service.get(&query("/sales/over-time", period, &[("bucket", bucket)])).await;
            assert_eq!((status, &answer["next"]), (200, &Value::Null), "{period:?} {bucket}");
            let items = answer["items"].as_array().unwrap();
            let sold = items.iter().filter(|item| item["sales"] != 0).cloned().collect::<Value>();
            let sold = if sold.is_null() { json!([]) } else { sold };
            let rows = expected(service.rig.pool(), OVER_TIME, period, bucket).await;
            assert_eq!(sold, rows, "{period:?} {bucket}");
        }
    }
    assert_eq!(service.get("/sales/over-time").await, service.get("/sales/over-time?bucket=day").await);
}

#[tokio::test]
async fn empty_buckets_are_there_from_end_to_end() {
    let service = seeded().await;
    let starts = async |path: &str| {
        let (_, answer) = service.get(path).await;
        let starts = answer["items"].as_array().unwrap().iter().map(|item| item["start"].as_str().unwrap().to_owned());
        starts.collect::<Vec<_>>()
    };
    let days = starts("/sales/over-time?from=2025-12-30T05:00:00Z&to=2026-01-02T01:00:00Z").await;
    assert_eq!(days, ["2025-12-30T05:00:00Z", "2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]);
    let months = starts("/sales/over-time?bucket=month").await;
    assert_eq!((months.len(), months[0].as_str()), (4, "2025-11-01T00:00:00Z"));
    let empty = service.get("/sales/over-time?from=2031-01-01&to=2031-01-02").await.1;
    assert_eq!(empty["items"], json!([{"start": "2031-01-01T00:00:00Z", "sales": 0, "amounts": []}]));
    assert_eq!(service.get("/sales/over-time?from=2031-01-01").await.1["items"], json!([]));
    let (status, problem) = service.get("/sales/over-time?bucket=hour&from=2000-01-01&to=2026-01-01").await;
    assert_eq!((status, &problem["errors"][0]["code"]), (400, &json!("too_many_buckets")));
}

#[tokio::test]
async fn nothing_stored_is_an_empty_answer() {
    let service = Service::new().await;
    for path in ["/articles/top", "/sales/states", "/sales/over-time", "/rejections/summary"] {
        assert_eq!(service.get(path).await, (200, json!({"items": [], "next": null})), "{path}");
    }
}

#[tokio::test]
async fn every_wrong_parameter_is_named_at_once() {
    let service = Service::new().await;
    let wrong = async |path: &str| {
        let (status, problem) = service.get(path).await;
        assert_eq!(status, 400, "{path}");
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| error["parameter"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(wrong("/articles/top?limit=0&from=x&to=2026-01-01T00:30:00Z&n=5").await, ["from", "to", "limit", "n"]);
    assert_eq!(wrong("/sales/states?from=2026-01-02&to=2026-01-01&state=TX").await, ["to", "state"]);
    assert_eq!(wrong("/sales/over-time?bucket=week&from=now").await, ["bucket", "from"]);
    assert_eq!(wrong("/rejections/summary?kind=%00&from=1&reason=shape").await, ["kind", "from", "reason"]);
    assert_eq!(wrong("/purchases/67e55044-10b1-426f-9247-bb680e5fe0c8?a=1&b=2").await, ["a", "b"]);
}

#[tokio::test]
async fn a_purchase_is_shown_with_what_it_cost() {
    let service = Service::new().await;
    let id = Uuid::now_v7();
    service.rig.words([shop::purchase(id).to_string()]).await;
    let response = service.request("GET", &format!("/purchases/{}", id.simple())).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(text.contains(r#""unit_price":12.50,"currency":"USD","amount":25.00}"#), "{text}");
    let mut shown: Value = serde_json::from_str(&text).unwrap();
    assert!(shown["received_at"].take().as_str().unwrap().ends_with('Z'));
    let (teapot, cup) = (shop::article(1), shop::article(2));
    let lines = json!([
        {"line": 1, "article_id": teapot, "article_name": "Tea\tpot", "quantity": 2, "unit_price": 12.5, "currency": "USD", "amount": 25.0},
        {"line": 2, "article_id": cup, "article_name": "Kaffekopp", "quantity": 1, "unit_price": 99.9, "currency": "SEK", "amount": 99.9},
    ]);
    let expected = json!({
        "id": id, "occurred_at": "2026-01-07T22:30:01.124316Z", "received_at": null,
        "user_id": shop::user(1), "state": "ID", "lines": lines,
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_rejected_purchase_is_found_among_the_dead_letters() {
    let service = Service::new().await;
    let id = Uuid::now_v7();
    assert_eq!(service.get(&format!("/purchases/{id}")).await.1.get("dead_letters"), None);
    service.rig.words([shop::purchase_with(id, "user_id", json!(Uuid::nil())).to_string()]).await;
    service.rig.words([shop::purchase_with(id, "cart", json!([])).to_string()]).await;
    let (status, problem) = service.get(&format!("/purchases/{id}")).await;
    let reasons: Vec<&Value> =
        problem["dead_letters"].as_array().unwrap().iter().map(|letter| &letter["reason"]).collect();
    assert_eq!((status, reasons), (404, vec![&json!("reference"), &json!("shape")]));
}

#[tokio::test]
async fn rejections_are_summed_up_by_cause() {
    let service = Service::new().await;
    let broken = |field, value| shop::purchase_with(Uuid::now_v7(), field, value).to_string();
    let unknown = || broken("user_id", json!(Uuid::nil()));
    service.rig.words([unknown(), unknown(), broken("cart", json!([])), "{".to_owned()]).await;
    let (status, mut summary) = service.get("/rejections/summary?kind=purchase").await;
    assert_eq!(status, 200);
    let items = summary["items"].as_array_mut().unwrap();
    assert!(items.iter_mut().all(|item| item["last_seen"].take().as_str().unwrap().ends_with('Z')));
    let item = |reason, code, count, waiting| json!({"kind": "purchase", "reason": reason, "code": code, "count": count, "waiting": waiting, "last_seen": null});
    let expected =
        [item("reference", "unknown_user", 2, 2), item("decode", "invalid_json", 1, 0), item("shape", "length", 1, 0)];
    assert_eq!(*items, expected);
    assert_eq!(service.get("/rejections/summary?to=2026-01-01").await.1["items"], json!([]));
}
