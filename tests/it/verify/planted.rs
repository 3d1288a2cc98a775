//! A difference of every sort is planted, found by its name, and mended where it is about something derived.

use sqlx::AssertSqlSafe;

use super::{compare, left, mend, mended, store_a_round};
use crate::support::Rig;

/// What is done to the database, which table differs afterwards, and where.
const DERIVED: &[(&str, &str, &str)] = &[
    (
        "UPDATE sales_by_state SET units = units + 1 WHERE ctid = (SELECT min(ctid) FROM sales_by_state WHERE grain = 'hour')",
        "sales_by_state",
        "hour 2026-",
    ),
    (
        "UPDATE sales_by_state SET amount = amount - 0.01 WHERE grain = 'month' AND starts_at = '2026-02-01Z' AND currency = 'SEK'",
        "sales_by_state",
        "month 2026-02-01T00:00:00Z ID SEK",
    ),
    (
        "INSERT INTO sales_by_state VALUES ('hour', '2031-01-01 07:00Z', 'ZZ', 'USD', 0, 1, 1, 1)",
        "sales_by_state",
        "hour 2031-01-01T07:00:00Z ZZ USD",
    ),
    ("DELETE FROM sales_by_article WHERE grain = 'day'", "sales_by_article", "day 2026-"),
    (
        "DELETE FROM sales_by_article WHERE grain = 'month' AND starts_at = '2026-03-01Z'",
        "sales_by_article",
        "month 2026-03-01T00:00:00Z",
    ),
    ("UPDATE sales_by_article SET article_name = 'Another' WHERE grain = 'hour'", "sales_by_article", "hour 2026-"),
    (
        "UPDATE sales_over_time SET sales = sales + 2 WHERE grain = 'month' AND starts_at = '2026-01-01Z' AND currency = 'USD' AND shard = 0",
        "sales_over_time",
        "month 2026-01-01T00:00:00Z USD",
    ),
    ("TRUNCATE sales_over_time", "sales_over_time", "hour 2026-"),
    ("UPDATE ab_users SET versions = '{z}', countries = '{unknown}' WHERE user_id = 'u1'", "ab_users", "user u1"),
    ("DELETE FROM ab_users WHERE user_id = 'u2'", "ab_users", "user u2"),
    ("INSERT INTO ab_users VALUES ('nobody', '{v0}', '{DE}')", "ab_users", "user nobody"),
    ("UPDATE ab_split SET events = events + 1 WHERE version = 'v1' AND shard = 0", "ab_split", "unknown v1"),
    ("UPDATE ab_split SET users = users - 1 WHERE version = 'v2' AND shard = 0", "ab_split", "unknown v2"),
    ("UPDATE ab_split SET last_event = '2026-01-01Z'", "ab_split", "unknown v0"),
    ("UPDATE ab_split SET first_event = '2001-01-01Z' WHERE country = 'DE'", "ab_split", "DE v0"),
    (
        "UPDATE ab_audience SET crossover_users = crossover_users + 1 WHERE version = 'v0' AND shard = 0",
        "ab_audience",
        "v0",
    ),
    ("UPDATE order_events SET units = units + 1 WHERE event_id = 'o1'", "order_events", "order o1"),
    ("UPDATE click_sessions SET orders = orders + 1 WHERE customer_id = 'c1'", "click_sessions", "customer c1 from "),
    ("UPDATE click_sessions SET referrer_host = 'x' WHERE customer_id = 'c0'", "click_sessions", "customer c0 from "),
    ("DELETE FROM click_sessions WHERE customer_id = 'c2'", "click_sessions", "customer c2 from "),
    ("DELETE FROM session_customers WHERE customer_id = 'c2'", "session_customers", "customer c2"),
    (
        "INSERT INTO click_sessions (customer_id, started_at, ended_at, events, orders) VALUES ('c0', '2001-01-01Z', '2001-01-01Z', 1, 0)",
        "click_sessions",
        "customer c0 from 2001-01-01",
    ),
    (
        "UPDATE rejections SET waiting = waiting + 1 WHERE code = 'unknown_user' AND shard = 0",
        "rejections",
        "purchase reference unknown_user",
    ),
    ("UPDATE rejections SET last_seen = '2026-01-01Z'", "rejections", "purchase decode"),
    ("TRUNCATE rejections", "rejections", "order shape missing"),
    (
        "INSERT INTO waiting VALUES ('users', 'x', '00000000-0000-4000-8000-000000000001')",
        "waiting",
        "dead letter 00000000-0000-4000-8000-000000000001",
    ),
];

/// What no sum can be made of again.
const BEYOND_REPAIR: &[(&str, &str, &str)] = &[
    (
        "UPDATE batches SET stored = stored + 1, received = received + 1 WHERE id = (SELECT min(id::text)::uuid FROM batches WHERE kind = 'ab_event')",
        "ab_events",
        "rows of ab_event",
    ),
    (
        "UPDATE batches SET rejected = rejected + 1, received = received + 1 WHERE id = (SELECT min(id::text)::uuid FROM batches WHERE kind = 'order')",
        "dead_letters",
        "dead letters of order",
    ),
    ("UPDATE batches SET received = received + 1 WHERE kind = 'click_event'", "batches", "batch "),
    ("DELETE FROM product_views", "product_views", "rows of product_view"),
    ("DELETE FROM waiting", "waiting", "dead letter "),
];

async fn stocked() -> Rig {
    let rig = Rig::new().await;
    sqlx::query("INSERT INTO shoppers (user_id, country) VALUES ('u0', 'DE')").execute(rig.pool()).await.unwrap();
    for number in 0..4 {
        store_a_round(&rig, number).await;
    }
    rig.assert_accounts_agree().await;
    rig
}

async fn plant(rig: &Rig, sql: &'static str) {
    let done = sqlx::query(AssertSqlSafe(sql)).execute(rig.pool()).await.unwrap();
    assert!(sql.starts_with("TRUNCATE") || done.rows_affected() > 0, "it changes something: {sql}");
}

#[tokio::test]
async fn whatever_is_derived_is_named_where_it_differs_and_mended() {
    let rig = stocked().await;
    for (sql, what, place) in DERIVED {
        plant(&rig, sql).await;
        let report = compare(&rig).await;
        let found = left(&report);
        assert!(found.iter().any(|(w, p)| w == what && p.contains(place)), "{sql}: {what} {place} in {found:#?}");
        let report = mend(&rig).await;
        assert!(report.agrees() && mended(&report) > 0, "{sql}: {report:#?}");
        assert!(compare(&rig).await.agrees(), "{sql}");
    }
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn what_cannot_be_mended_is_named_and_left() {
    let rig = stocked().await;
    sqlx::query("ALTER TABLE batches DROP CONSTRAINT batches_check").execute(rig.pool()).await.unwrap();
    for (sql, what, place) in BEYOND_REPAIR {
        plant(&rig, sql).await;
        let report = mend(&rig).await;
        let found = left(&report);
        assert!(found.iter().any(|(w, p)| w == what && p.contains(place)), "{sql}: {what} {place} in {found:#?}");
    }
}

#[tokio::test]
async fn a_mended_sum_is_what_the_answers_say_again() {
    let rig = stocked().await;
    let answer = "SELECT sum(units)::bigint FROM sales_by_state WHERE grain = 'day' AND currency = 'USD'";
    let before = rig.number(answer).await;
    plant(&rig, "UPDATE sales_by_state SET units = units * 3").await;
    mend(&rig).await;
    assert_eq!(rig.number(answer).await, before);
}
