//! `/ctr`, compared with the same question put to the rows as one plain statement.

mod engine;
mod history;

use axum::http::StatusCode;
use futures::StreamExt as _;
use purser::api::Tokens;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{Service, ctr};
use crate::support::Rig;

/// Every bucket of the period with its views and purchases, counted and divided by Postgres, each row as the
/// answer writes it.
const NAIVE: &str = r#"
    WITH period AS (
        SELECT $1::timestamp AT TIME ZONE $4 AS start, $2::timestamp AT TIME ZONE $4 AS stop,
               make_interval(secs => $3::int8 * 60) AS length
    ), buckets AS (
        SELECT start + n * length AS start, least(stop, start + (n + 1) * length) AS stop
        FROM period, generate_series(0, (extract(epoch FROM stop - start) / extract(epoch FROM length))::int8) AS n
        WHERE start + n * length < stop
    ), facts AS (
        SELECT occurred_at AS at, platform, product, true AS viewed FROM product_views
        UNION ALL
        SELECT order_date,
               CASE lower(device_type) WHEN 'ios' THEN 'iOS' WHEN 'android' THEN 'Android'
                                       WHEN 'mobileweb' THEN 'MobileWeb' ELSE coalesce(lower(device_type), 'unknown') END,
               code_color, false
        FROM order_items LEFT JOIN orders ON orders.id = order_id
        WHERE code_color IS NOT NULL AND order_status IS DISTINCT FROM 'canceled' AND order_status IS DISTINCT FROM 'CANCELLED'
    ), counted AS (
        SELECT buckets.start, platform, product, count(*) FILTER (WHERE viewed) AS views,
               count(*) FILTER (WHERE NOT viewed) AS purchases
        FROM buckets JOIN facts ON at >= buckets.start AND at < buckets.stop
        WHERE ($5 = '' OR product = $5) AND ($6 = '' OR lower(platform) = lower($6))
        GROUP BY 1, 2, 3
    )
    SELECT coalesce(string_agg(
        format('{"timestamp":"%s","platform":"%s","product":"%s","CTR":%s}',
               to_char(start AT TIME ZONE $4, 'YYYY-MM-DD HH24:MI:SS'), platform, product,
               CASE views WHEN 0 THEN 'null' ELSE round(purchases::numeric / views, 4)::text END),
        E',\n' ORDER BY start, platform COLLATE "C", product COLLATE "C"), '')
    FROM counted"#;

#[derive(Debug)]
struct Question {
    start: String,
    end: String,
    minutes: i64,
    zone: &'static str,
    product: &'static str,
    platform: &'static str,
}

impl Question {
    fn path(&self) -> String {
        let Question { start, end, minutes, zone, product, platform } = self;
        let mut path = format!("/ctr?startTimestamp={start}&endTimestamp={end}&aggregation={minutes}&tz={zone}");
        for (name, value) in [("product", product), ("platform", platform)] {
            if !value.is_empty() {
                path += &format!("&{name}={value}");
            }
        }
        path
    }

    async fn naive(&self, pool: &PgPool) -> String {
        let Question { start, end, minutes, zone, product, platform } = self;
        let asked =
            sqlx::query_scalar(NAIVE).bind(start).bind(end).bind(minutes).bind(zone).bind(product).bind(platform);
        let rows: String = asked.fetch_one(pool).await.unwrap();
        format!("[{rows}]")
    }
}

impl Service {
    /// What `GET` answers, as it was written.
    async fn text(&self, path: &str) -> String {
        let response = self.request("GET", path).send().await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &"application/json".parse().unwrap())
        );
        response.text().await.unwrap()
    }

    async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.rig.pool()).await.unwrap();
    }
}

/// The clocks of these zones are changed on 27 March, on 3 April by half an hour, and never.
const ZONES: [&str; 4] = ["Europe/Berlin", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"];
/// Around these times (UTC) the clocks are changed.
const CHANGES: [i64; 2] = [1_459_040_400, 1_459_609_200];

/// Views and orders close to the changes, most of them on whole half minutes, or a microsecond beside.
async fn scatter(service: &Service) {
    let mut random = StdRng::seed_from_u64(7);
    let (mut at, mut platforms, mut products) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3000 {
        let seconds = CHANGES[random.random_range(0..2)] + 30 * random.random_range(-600..600);
        at.push(seconds as f64 + [0.0, 0.0, -1e-6, 1e-6][random.random_range(0..4)]);
        platforms.push(["iOS", "Android", "MobileWeb", "kiosk"][random.random_range(0..4)]);
        products.push(["1_a", "1_B", "2", "\u{e9}"][random.random_range(0..4)]);
    }
    let views = "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
                 SELECT gen_random_uuid(), to_timestamp(at), now(), platform, product
                 FROM UNNEST($1::float8[], $2::text[], $3::text[]) WITH ORDINALITY AS view (at, platform, product, n)
                 WHERE n > 500";
    let orders = "WITH made AS (
                      INSERT INTO orders (id, order_date, device_type, order_status)
                      SELECT n, to_timestamp(at), CASE n % 9 WHEN 0 THEN NULL WHEN 1 THEN upper(platform) ELSE platform END,
                             (ARRAY['complete', 'canceled', 'CANCELLED', NULL])[1 + n % 4]
                      FROM UNNEST($1::float8[], $2::text[], $3::text[]) WITH ORDINALITY AS one (at, platform, product, n)
                      WHERE n <= 500)
                  INSERT INTO order_items (id, order_id, code_color, quantity)
                  SELECT n || '-' || item, n, CASE (n + item) % 11 WHEN 0 THEN NULL ELSE product END, 7
                  FROM UNNEST($1::float8[], $2::text[], $3::text[]) WITH ORDINALITY AS one (at, platform, product, n),
                       generate_series(0, n % 3) AS item
                  WHERE n <= 500";
    for sql in [views, orders] {
        sqlx::query(sql).bind(&at).bind(&platforms).bind(&products).execute(service.rig.pool()).await.unwrap();
    }
}

#[tokio::test]
async fn rates_are_those_of_the_rows() {
    let service = Service::new().await;
    scatter(&service).await;
    let mut random = StdRng::seed_from_u64(11);
    let (mut some, mut cut) = (0, 0);
    for _ in 0..150 {
        let start = CHANGES[random.random_range(0..2)] - 30 * random.random_range(1..700);
        let end = start + [60, 3600, 7200, 21_600, 50_000][random.random_range(0..5)] + random.random_range(0..90);
        let (zone, wall): (&str, (String, String)) = loop {
            let zone = ZONES[random.random_range(0..4)];
            // Of a time that the clocks show twice, Postgres means the later one.
            let wall = "SELECT to_char(to_timestamp($1::int8) AT TIME ZONE $3, 'YYYY-MM-DD HH24:MI:SS'),
                               to_char(to_timestamp($2::int8) AT TIME ZONE $3, 'YYYY-MM-DD HH24:MI:SS')
                        WHERE NOT EXISTS (
                            SELECT FROM UNNEST(ARRAY[$1::int8, $2::int8]) AS once, UNNEST(ARRAY[-3600, -1800, 1800, 3600]) AS other
                            WHERE to_timestamp(once) AT TIME ZONE $3 = to_timestamp(once + other) AT TIME ZONE $3)";
            let wall = sqlx::query_as(wall).bind(start).bind(end).bind(zone).fetch_optional(service.rig.pool()).await;
            if let Some(wall) = wall.unwrap() {
                break (zone, wall);
            }
        };
        let question = Question {
            start: wall.0,
            end: wall.1,
            minutes: [1, 2, 7, 30, 60, 1440][random.random_range(0..6)],
            zone,
            product: ["", "", "1_a", "2", "none"][random.random_range(0..5)],
            platform: ["", "", "ios", "KIOSK", "unknown"][random.random_range(0..5)],
        };
        let answer = service.text(&question.path()).await;
        assert_eq!(answer, question.naive(service.rig.pool()).await, "{question:?}");
        some += i32::from(answer != "[]");
        cut += i32::from((end - start) % (question.minutes * 60) != 0);
    }
    assert!(some > 75 && cut > 75, "{some} with rows, {cut} with a cut bucket: the questions ask for something");
}

/// 200 views and 3 purchases in ten minutes: 0.0150.
#[tokio::test]
async fn the_worked_example() {
    let service = Service::new().await;
    service
        .run(
            "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
             SELECT gen_random_uuid(), '2016-01-03 13:55Z'::timestamptz + n * interval '3 s', now(), 'iOS', '20008657_002'
             FROM generate_series(0, 200) AS n;
             INSERT INTO orders (id, order_date, device_type, order_status) VALUES
                 ('a', '2016-01-03 13:55Z', 'IOS', 'complete'), ('b', '2016-01-03 14:04:59.999999Z', 'ios', NULL),
                 ('c', '2016-01-03 14:00Z', 'iOS', 'Cancelled'), ('d', '2016-01-03 14:00Z', NULL, 'paid'),
                 ('e', '2016-01-03 14:05Z', 'iOS', 'paid'), ('f', '2016-01-03 13:54:59.999999Z', 'iOS', 'paid');
             INSERT INTO order_items (id, order_id, code_color, quantity) VALUES
                 ('1', 'a', '20008657_002', 9), ('2', 'a', '20008657_002', 1), ('3', 'b', '20008657_002', 1),
                 ('4', 'c', '20008657_002', 1), ('5', 'd', '20008657_002', 1), ('6', 'e', '20008657_002', 1),
                 ('7', 'f', '20008657_002', 1), ('8', 'a', NULL, 1)",
        )
        .await;
    let row = |time, platform, ratio| {
        format!(r#"{{"timestamp":"2016-01-03 {time}","platform":"{platform}","product":"20008657_002","CTR":{ratio}}}"#)
    };
    let expected = format!("[{},\n{}]", row("13:55:00", "iOS", "0.0150"), row("13:55:00", "unknown", "null"));
    let period = "startTimestamp=2016-01-03%2013:55:00&endTimestamp=2016-01-03%2014:05:00";
    assert_eq!(service.text(&format!("/ctr?{period}&aggregation=10")).await, expected);
    let later =
        "/ctr?startTimestamp=2016-01-03T11:55:00&endTimestamp=2016-01-03T12:05:01&aggregation=10&tz=America/Sao_Paulo";
    let local = |time| row(time, "iOS", if time == "11:55:00" { "0.0150" } else { "1.0000" });
    let expected = format!("[{},\n{}]", local("11:55:00"), local("12:05:00"));
    assert_eq!(service.text(&format!("{later}&platform=IOS")).await, expected);

    let body = json!({"startTimestamp": "2016-01-03 13:55:00", "endTimestamp": "2016-01-03 14:05:00", "aggregation": "10", "platform": "iOs", "product": null});
    let response = service.request("POST", "/ctr").json(&body).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), format!("[{}]", row("13:55:00", "iOS", "0.0150")));
}

#[tokio::test]
async fn every_wrong_parameter_is_named_in_query_and_body() {
    let service = Service::new().await;
    let named = |(status, problem): (u16, Value)| {
        assert_eq!(status, 400, "{problem}");
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| format!("{} {}", error["parameter"], error["code"]).replace('"', "")).collect::<Vec<_>>()
    };
    let missing = ["startTimestamp missing", "endTimestamp missing", "aggregation missing"];
    assert_eq!(named(service.get("/ctr").await), missing);
    let wrong = "/ctr?startTimestamp=2016-13-01%2000:00:00&endTimestamp=now&aggregation=0&tz=Mars/Olympus&from=1";
    let expected =
        ["tz format", "startTimestamp format", "endTimestamp format", "aggregation format", "from unknown_parameter"];
    assert_eq!(named(service.get(wrong).await), expected);
    let post = async |path: &str, body: &str| {
        let response = service.request("POST", path).body(body.to_owned()).send().await.unwrap();
        service.documented("POST", response).await
    };
    assert_eq!(named(post("/ctr", "{}").await), missing);
    assert_eq!(named(post("/ctr", "[]").await), ["body invalid_json"]);
    assert_eq!(named(post("/ctr?tz=UTC", "{}").await), ["tz unknown_parameter"]);
    let body = r#"{"startTimestamp": true, "endTimestamp": "2016-01-03 14:05:00", "aggregation": 1.5, "product": ["1"], "x": 1}"#;
    let expected = ["product wrong_type", "startTimestamp wrong_type", "aggregation format", "x unknown_parameter"];
    assert_eq!(named(post("/ctr", body).await), expected);
    assert_eq!(post("/ctr", &" ".repeat(65 << 10)).await.0, 413);
}

const YEAR: &str = "/ctr?startTimestamp=2016-01-01T00:00:00&endTimestamp=2017-01-01T00:00:00";

#[tokio::test]
async fn an_answer_has_a_bounded_number_of_rows() {
    let service = Service::with_ctr(Rig::new().await, Tokens::default(), ctr().with_most_rows(100)).await;
    service
        .run(
            "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
             SELECT gen_random_uuid(), '2016-01-01Z'::timestamptz + n * interval '1 min', now(), 'iOS', n % 50
             FROM generate_series(0, 200) AS n",
        )
        .await;
    let (status, problem) = service.get(&format!("{YEAR}&aggregation=100")).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (400, &json!("too_many_rows")), "101 rows");
    for (minutes, rows) in [(1440, 50), (101, 100)] {
        let (status, answer) = service.get(&format!("{YEAR}&aggregation={minutes}")).await;
        assert_eq!((status, answer.as_array().map(Vec::len)), (200, Some(rows)), "of 201 views");
    }
}

#[tokio::test]
async fn a_large_answer_is_streamed_and_whole() {
    let service = many(40_000).await;
    let response = service.request("GET", &format!("{YEAR}&aggregation=1440")).send().await.unwrap();
    assert_eq!(response.content_length(), None);
    let rows: Vec<Value> = response.json().await.unwrap();
    let products: Vec<&str> = rows.iter().map(|row| row["product"].as_str().unwrap()).collect();
    assert!(products.len() == 40_000 && products.is_sorted(), "{} rows", products.len());
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_its_connection() {
    let service = many(300_000).await;
    let response = service.request("GET", &format!("{YEAR}&aggregation=1")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.bytes_stream();
    assert!(body.next().await.unwrap().is_ok());
    let held = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'FETCH%' AND datname = current_database()";
    assert_eq!(service.rig.number(held).await, 1);
    let rest: Vec<_> = body.collect().await;
    assert!(rest.last().unwrap().is_err());
}

/// Twenty answers that nobody reads do not stand in the way of one that somebody does.
#[tokio::test]
async fn clients_that_leave_make_room() {
    let service = many(100_000).await;
    for _ in 0..20 {
        let response = service.request("GET", &format!("{YEAR}&aggregation=1440")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(service.get(&format!("{YEAR}&aggregation=1440&product=none")).await, (200, json!([])));
}

/// So many products, each viewed once, a second after the other.
async fn many(products: i32) -> Service {
    let service = Service::new().await;
    let insert = sqlx::query(
        "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
         SELECT gen_random_uuid(), '2016-01-01Z'::timestamptz + n * interval '1 s', now(), 'iOS', to_char(n, 'FM000000')
         FROM generate_series(1, $1) AS n",
    );
    insert.bind(products).execute(service.rig.pool()).await.unwrap();
    service
}
