use super::Service;
#[tokio::test]
async fn perf() {
    let service = Service::new().await;
    for (grain, step, shards) in [("hour", "1 hour", 1), ("day", "1 day", 8), ("month", "1 month", 16)] {
        let a = format!("INSERT INTO sales_by_article SELECT '{grain}', t, ('20000000-0000-4000-8000-' || lpad(a::text, 12, '0'))::uuid, (ARRAY['USD','SEK','EUR'])[1 + a % 3], s, 1, 3, 12.5, 'Article ' || a FROM generate_series('2021-01-01'::timestamptz, '2021-07-31 23:00', '{step}') t, generate_series(1, 200) a, generate_series(1, {shards}) s");
        let st = format!("INSERT INTO sales_by_state SELECT '{grain}', t, 'S' || a, c, s, 1, 3, 12.5 FROM generate_series('2021-01-01'::timestamptz, '2021-07-31 23:00', '{step}') t, generate_series(1, 56) a, unnest(ARRAY['USD','SEK','EUR']) c, generate_series(1, {shards}) s");
        let ot = format!("INSERT INTO sales_over_time SELECT '{grain}', t, c, s, 1, 3, 12.5 FROM generate_series('2021-01-01'::timestamptz, '2021-07-31 23:00', '{step}') t, unnest(ARRAY['USD','SEK','EUR']) c, generate_series(1, {shards}) s");
        for sql in [a, st, ot] {
            let mut c = service.rig.pool().acquire().await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET statement_timeout=0; SET TimeZone='UTC'; {sql}"))).execute(&mut *c).await.unwrap();
        }
    }
    for analysed in [false, true] {
        if analysed { sqlx::raw_sql("ANALYZE").execute(service.rig.pool()).await.unwrap(); }
        for path in ["/articles/top", "/articles/top?limit=1000", "/articles/top?from=2021-01-31T05:00:00Z&to=2021-07-30T22:00:00Z", "/sales/states", "/sales/states?from=2021-01-30T05:00:00Z&to=2021-07-30T22:00:00Z", "/sales/over-time", "/sales/over-time?bucket=hour", "/sales/over-time?bucket=month&from=2021-01-30T05:00:00Z"] {
            service.get(path).await;
            let now = std::time::Instant::now();
            for _ in 0..5 { service.get(path).await; }
            println!("{analysed} {path} {:?}", now.elapsed() / 5);
        }
    }
}
