//! What was rejected, and what is done about it.

use purser::dead_letters::Shipper;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Blob, Service};
use crate::support::shop::{purchase_with, user};
use crate::support::stack::eventually;

/// Three purchases by two who are not there, one of nothing, and one that is no JSON.
async fn service() -> Service {
    let service = Service::new().await;
    for (number, buyer) in [(1, 901), (2, 902), (3, 901)] {
        let purchase = purchase_with(Uuid::from_u128(number), "user_id", json!(user(buyer)));
        assert_eq!(service.post("application/json", purchase.to_string()).await.0, 422);
    }
    let of_nothing = purchase_with(Uuid::from_u128(4), "cart", json!(null));
    service.post("application/json", of_nothing.to_string()).await;
    service.post("application/json", "nonsense").await;
    service
}

impl Service {
    async fn ship(&self) {
        let (pool, metrics) = (self.rig.pool().clone(), self.rig.pipeline.metrics.clone());
        let blob = Blob::open(self.folder.path().to_str().unwrap()).unwrap();
        Shipper { pool, blob, health: self.health.clone(), metrics }.ship().await.unwrap();
    }

    async fn ask(&self, path: &str, body: Value) -> (u16, Value) {
        let response = self.request("POST", path).body(body.to_string()).send().await.unwrap();
        self.documented("POST", response).await
    }

    async fn add_user(&self, number: u128) {
        let insert = sqlx::query("INSERT INTO users (id, name, address) VALUES ($1, 'Late', 'PO 1\nBoise, ID 83701')");
        insert.bind(user(number)).execute(self.rig.pool()).await.unwrap();
    }
}

fn counts(answer: &Value, what: &str) -> Vec<i64> {
    answer["items"].as_array().unwrap().iter().map(|item| item[what].as_i64().unwrap()).collect()
}

/// The wrong parameters, as `name code`.
fn wrong(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| format!("{} {}", error["parameter"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn causes_come_by_count_and_in_pages() {
    let service = service().await;
    let (status, all) = service.get("/dead-letters").await;
    assert_eq!((status, counts(&all, "count")), (200, vec![3, 1, 1]));
    let first = &all["items"][0];
    assert_eq!(
        (&first["code"], &first["path"], &first["share"]),
        (&json!("unknown_user"), &json!("/user_id"), &json!(0.6))
    );
    let waited = |number, letters| json!({"table": "users", "id": user(number), "letters": letters});
    assert_eq!(first["waiting_for"], json!([waited(901, 2), waited(902, 1)]));
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = service.get(&format!("/dead-letters?limit=1{cursor}")).await;
        pages.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(json!(pages), all["items"]);
    assert_eq!(counts(&service.get("/dead-letters?code=unknown_user&kind=purchase&since=1h").await.1, "count"), [3]);
    assert_eq!(counts(&service.get("/dead-letters?status=all&until=1h").await.1, "count"), [0; 0]);
}

#[tokio::test]
async fn every_wrong_parameter_is_named() {
    let service = Service::new().await;
    let query = "kind=x&reason=x&code=x&since=yesterday&until=tomorrow&status=x&limit=0&cursor=x&page=1";
    for path in ["/dead-letters", "/dead-letters/records"] {
        let (status, problem) = service.get(&format!("{path}?{query}")).await;
        let named = ["kind", "reason", "code", "since", "until", "status"].map(|name| format!("{name} format"));
        let others = ["limit range", "cursor format", "page unknown_parameter"].map(str::to_owned);
        let mut expected: Vec<String> = named.into_iter().chain(others).collect();
        let mut found = wrong(&problem);
        expected.sort();
        found.sort();
        assert_eq!((status, found), (400, expected));
    }
    let (status, problem) = service.get("/dead-letters?since=1h&until=2h").await;
    assert_eq!((status, wrong(&problem)), (400, vec!["until range".to_owned()]));
    let body = json!({"ids": [1], "kind": {}, "dry_run": 1, "since": "x", "more": null, "other": 1});
    let (status, problem) = service.ask("/dead-letters/replay", body).await;
    let mut found = wrong(&problem);
    found.sort();
    assert_eq!((status, found.len(), found.contains(&"ids wrong_type".to_owned())), (400, 5, true), "{problem}");
    let (status, problem) = service.ask("/dead-letters/discard", json!({"kind": "purchase"})).await;
    assert_eq!((status, wrong(&problem)), (400, vec!["because missing".to_owned()]));
    assert_eq!(service.get("/dead-letters/1").await.0, 400);
    assert_eq!(service.get(&format!("/dead-letters/{}", Uuid::nil())).await.0, 404);
}

#[tokio::test]
async fn a_dead_letter_is_shown_wherever_it_is() {
    let service = service().await;
    let (_, records) = service.get("/dead-letters/records?reason=reference&limit=2").await;
    assert!(records["next"].is_string());
    let (_, rest) = service
        .get(&format!("/dead-letters/records?reason=reference&cursor={}", records["next"].as_str().unwrap()))
        .await;
    assert_eq!((records["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (2, 1));
    let entry = &rest["items"][0];
    assert_eq!(entry["event_key"], json!(Uuid::from_u128(1)));
    let path = format!("/dead-letters/{}", entry["id"].as_str().unwrap());
    let (status, in_database) = service.get(&path).await;
    assert_eq!(
        (status, &in_database["entry"]["object"], &in_database["record"]["attempt"]),
        (200, &json!(null), &json!(1))
    );
    service.ship().await;
    let (_, in_blob) = service.get(&path).await;
    assert_eq!(in_blob["record"], in_database["record"]);
    assert!(in_blob["entry"]["line"].is_i64() && in_blob["entry"]["object"].as_str().unwrap().ends_with(".ndjson"));
    let (_, missing) = service.get(&format!("/purchases/{}", Uuid::from_u128(1))).await;
    assert_eq!(missing["dead_letters"][0]["id"], entry["id"]);

    let object = service.folder.path().join(in_blob["entry"]["object"].as_str().unwrap());
    std::fs::remove_file(&object).unwrap();
    let (status, gone) = service.get(&path).await;
    assert_eq!((status, &gone["record"]), (200, &json!(null)));
    assert!(gone["unreadable"].as_str().unwrap().contains("not in the blob store"));
    // A file where the folder should be is neither an object nor the lack of one.
    std::fs::remove_dir_all(service.folder.path().join("dead-letter")).unwrap();
    std::fs::write(service.folder.path().join("dead-letter"), "").unwrap();
    let (status, away) = service.get(&path).await;
    assert_eq!(status, 503);
    assert!(away["detail"].as_str().unwrap().contains("blob store"), "{away}");
}

#[tokio::test]
async fn what_passes_today_is_known_before_it_is_replayed() {
    let service = service().await;
    service.add_user(901).await;
    let (status, would) = service.ask("/dead-letters/replay", json!({"dry_run": true})).await;
    assert_eq!((status, counts(&would, "would_pass").iter().sum::<i64>()), (200, 2));
    assert_eq!((counts(&would, "stored"), counts(&would, "matched").iter().sum::<i64>()), (vec![0; 3], 5));
    let (_, replayed) = service.ask("/dead-letters/replay", json!({"code": "unknown_user"})).await;
    let item = &replayed["items"][0];
    assert_eq!((&item["stored"], &item["rejected"], &item["would_pass"]), (&json!(2), &json!(1), &json!(null)));
    let (_, again) = service.get("/dead-letters/records?code=unknown_user").await;
    assert_eq!((counts(&again, "attempt"), &again["items"][0]["status"]), (vec![2], &json!("open")));
    let (_, closed) = service.get("/dead-letters/records?status=replayed").await;
    assert_eq!(closed["items"].as_array().unwrap().len(), 2);
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn what_is_not_wanted_is_marked() {
    let service = service().await;
    let (_, records) = service.get("/dead-letters/records?reason=decode").await;
    let id = &records["items"][0]["id"];
    let (_, would) = service.ask("/dead-letters/discard", json!({"because": "x", "dry_run": true})).await;
    assert_eq!((counts(&would, "matched"), counts(&would, "discarded")), (vec![3, 1, 1], vec![0; 3]));
    let (status, discarded) = service.ask("/dead-letters/discard", json!({"ids": [id], "because": " a test "})).await;
    assert_eq!((status, counts(&discarded, "discarded")), (200, vec![1]));
    let (_, shown) = service.get(&format!("/dead-letters/{}", id.as_str().unwrap())).await;
    assert_eq!((&shown["entry"]["status"], &shown["entry"]["because"]), (&json!("discarded"), &json!("a test")));
    assert_eq!(counts(&service.get("/dead-letters").await.1, "count").iter().sum::<i64>(), 4);
    assert_eq!(service.ask("/dead-letters/replay", json!({"ids": [id]})).await.1["items"], json!([]));
}

#[tokio::test]
async fn long_work_is_told_line_by_line() {
    let service = service().await;
    let request = service.request("POST", "/dead-letters/replay").header("accept", "application/x-ndjson");
    let response = request.body("{}").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/x-ndjson".parse().unwrap())
    );
    let text = response.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({"done": 5, "of": 5}));
    assert_eq!((lines.len(), counts(&lines[1], "rejected").iter().sum::<i64>()), (2, 5));
}

#[tokio::test]
async fn whoever_hangs_up_ends_it_after_the_batch_in_flight() {
    let service = service().await;
    service
        .rig
        .words(
            (10..2510)
                .map(|number: u128| purchase_with(Uuid::from_u128(number), "user_id", json!(user(901))).to_string()),
        )
        .await;
    service.add_user(901).await;
    let mut held = service.rig.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE purchases").execute(&mut *held).await.unwrap();
    let asked = tokio::spawn(service.request("POST", "/dead-letters/replay").body("{}").send());
    let locked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'purchases'::regclass";
    eventually("the first batch waits", async || service.rig.number(locked).await > 0).await;
    asked.abort();
    let _ = asked.await;
    // The service answers over another connection only after it has seen that the first is closed.
    for _ in 0..10 {
        service.get("/healthz").await;
    }
    held.rollback().await.unwrap();
    let closed = "SELECT count(*) FROM dead_letters WHERE status = 'replayed'";
    eventually("the first batch is decided", async || service.rig.number(closed).await > 0).await;
    let at_work = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    eventually("nothing is done any more", async || service.rig.number(at_work).await == 0).await;
    assert!(service.rig.number(closed).await <= 1000, "the other batches were not begun");
    service.rig.assert_accounts_agree().await;
}
