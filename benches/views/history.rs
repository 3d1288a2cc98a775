//! A table with so many days of views, and the orders that came of them.

use sqlx::PgPool;

use super::day::Day;

/// Days of three platforms each, from 1 January 2016. The indexes that are not the key are made at the end.
pub async fn store(pool: &PgPool, day: &Day, days: i32) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::raw_sql("SET statement_timeout = 0; CREATE TEMPORARY TABLE day (product text, seconds float8)")
        .execute(&mut *conn)
        .await
        .unwrap();
    let (products, seconds): (Vec<&str>, Vec<f64>) = day.views.iter().map(|(product, at)| (&**product, *at)).unzip();
    let sample = sqlx::query("INSERT INTO day SELECT * FROM UNNEST($1::text[], $2::float8[])");
    sample.bind(products).bind(seconds).execute(&mut *conn).await.unwrap();
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes
         WHERE tablename = 'product_views' AND indexdef NOT LIKE '%UNIQUE%'",
    )
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    for (name, _) in &indexes {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut *conn).await.unwrap();
    }
    for number in 0..days {
        sqlx::query(VIEWS).bind(number).execute(&mut *conn).await.unwrap();
    }
    sqlx::query(ORDERS).bind(days).execute(&mut *conn).await.unwrap();
    sqlx::query(ITEMS).bind(days).execute(&mut *conn).await.unwrap();
    for (_, definition) in indexes {
        sqlx::raw_sql(sqlx::AssertSqlSafe(definition)).execute(&mut *conn).await.unwrap();
    }
    sqlx::raw_sql("VACUUM ANALYZE product_views, orders, order_items").execute(&mut *conn).await.unwrap();
    sqlx::raw_sql("CHECKPOINT").execute(&mut *conn).await.unwrap();
}

/// Each view up to five minutes off, with a key that begins with its time, as those of messages do.
const VIEWS: &str = "
    INSERT INTO product_views (id, occurred_at, received_at, platform, product, mpid, session_id, event_id)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0') || substr(md5(random()::text), 1, 20))::uuid,
           at, at + interval '1 s', platform, product, (random() * 9e17)::int8::text,
           ((random() - 0.5) * 1.8e19)::int8::text, ((random() - 0.5) * 1.8e19)::int8::text
    FROM (SELECT platform, product,
                 '2016-01-01Z'::timestamptz + $1 * interval '1 day'
                 + make_interval(secs => greatest(0, least(86399.999, seconds + 600 * random() - 300))) AS at
          FROM day, UNNEST(ARRAY['iOS', 'Android', 'MobileWeb']) AS platform
          ORDER BY at) AS view";

/// A thousand orders a day, and two items each.
const ORDERS: &str = "
    INSERT INTO orders (id, user_id, order_date, order_status, device_type)
    SELECT n, n % 50000, '2016-01-01Z'::timestamptz + random() * $1 * interval '1 day',
           (ARRAY['complete', 'canceled', 'shipped', 'paid'])[1 + n % 4],
           (ARRAY['ios', 'Android', 'MOBILEWEB'])[1 + floor(random() * 3)::int]
    FROM generate_series(1, $1 * 1000) AS n";

const ITEMS: &str = "
    INSERT INTO order_items (id, order_id, code_color, quantity)
    SELECT n, 1 + n % ($1 * 1000), product, 1
    FROM (SELECT product, row_number() OVER (ORDER BY random()) AS number, count(*) OVER () AS all FROM day) AS product,
         generate_series(number, $1 * 2000, product.all) AS n";
