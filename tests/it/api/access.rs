//! Who may ask, what for, and what is heard when there is no answer.

use std::time::{Duration, Instant};

use futures::future::join_all;
use purser::api::Tokens;
use purser::events::KINDS;
use serde_json::json;
use uuid::Uuid;

use super::Service;
use crate::support::{Rig, shop};

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let service = Service::new().await;
    let (status, problem) = service.get("/nothing?secret=1").await;
    assert_eq!((status, &problem["detail"]), (404, &json!("there is nothing at /nothing")));
    let refused = service.request("DELETE", "/sales/states").send().await.unwrap();
    assert!(refused.headers()["allow"].to_str().unwrap().contains("GET"));
    assert_eq!(super::json(refused).await.0, 405);
    let mut kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    kinds.sort_unstable();
    let (status, problem) = super::json(service.request("POST", "/events/nothing").send().await.unwrap()).await;
    assert_eq!((status, &problem["errors"][0]["expected"]), (404, &json!(format!("one of {}", kinds.join(", ")))));
    assert_eq!(service.get("/purchases/%FF").await.0, 400);
    assert_eq!(service.get("/purchases/1").await.0, 400);
}

#[tokio::test]
async fn a_request_id_comes_back() {
    let service = Service::new().await;
    let given = service.request("GET", "/healthz").header("x-request-id", "mine").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "mine");
    let made = service.request("GET", "/nothing").send().await.unwrap();
    assert!(Uuid::try_parse(made.headers()["x-request-id"].to_str().unwrap()).is_ok());
}

#[tokio::test]
async fn a_token_opens_what_it_guards() {
    let token = |text: &str| Some(text.into());
    let tokens = Tokens { ingest: token("i"), api: token("a"), read: token("r"), allow_anonymous: true };
    let service = Service::with(Rig::new().await, tokens).await;
    let purchase = format!("/purchases/{}", Uuid::nil());
    let routes = [
        ("POST", "/events/purchase", "i", 422),
        ("POST", "/receive_event", "i", 422),
        ("POST", "//receive_event", "i", 422),
        ("GET", purchase.as_str(), "a", 404),
        ("GET", "/dead-letters", "a", 200),
        ("GET", "/dead-letters/records", "a", 200),
        ("POST", "/dead-letters/replay", "a", 400),
        ("POST", "/dead-letters/discard", "a", 400),
        ("GET", "/articles/top", "r", 200),
        ("GET", "/sales/states", "r", 200),
        ("GET", "/sales/over-time", "r", 200),
        ("GET", "/rejections/summary", "r", 200),
        ("GET", "/breakers", "r", 200),
        ("POST", "/breakers/purchase", "a", 400),
        ("GET", "/monitor", "r", 200),
        ("GET", "//monitor", "r", 200),
        ("GET", "/monitor/health", "r", 200),
    ];
    for (method, path, right, status) in routes {
        for token in ["i", "a", "r", "x"] {
            let response = service.request(method, path).bearer_auth(token).send().await.unwrap();
            let expected = if token == right { status } else { 401 };
            assert_eq!(response.status().as_u16(), expected, "{method} {path} {token}");
            assert_eq!(response.headers().contains_key("www-authenticate"), token != right);
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(service.request("GET", path).send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn without_tokens_personal_data_is_for_this_machine() {
    let service = Service::new().await;
    let path = format!("/purchases/{}", Uuid::nil());
    assert_eq!(service.get(&path).await.0, 404);
    let forwarded = service.request("GET", &path).header("x-forwarded-for", "203.0.113.1");
    let (status, problem) = super::json(forwarded.send().await.unwrap()).await;
    assert_eq!(status, 403);
    assert!(problem["detail"].as_str().unwrap().contains("API_TOKEN"));
}

#[tokio::test]
async fn readiness_names_what_is_wrong() {
    let service = Service::new().await;
    assert_eq!(service.get("/healthz").await, (200, json!({"status": "ok"})));
    let mut checks = json!({"postgres": "ok", "schema": "ok", "pubsub": "off", "blob": "off", "breaker": "closed"});
    assert_eq!(service.get("/readyz").await, (200, json!({"status": "ready", "checks": checks})));
    service.health.works("pubsub", "purser-purchases");
    service.health.fails("blob", "dead letters", "read-only");
    (checks["pubsub"], checks["blob"]) = (json!("ok"), json!("dead letters: read-only"));
    assert_eq!(service.get("/readyz").await, (503, json!({"status": "not_ready", "checks": checks})));
    service.health.works("blob", "dead letters");
    service.health.warn("purser-purchases", vec!["it expires".to_owned()]);
    checks["blob"] = json!("ok");
    let warned = json!({"status": "ready", "checks": checks, "warnings": ["purser-purchases: it expires"]});
    assert_eq!(service.get("/readyz").await, (200, warned));
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 3").execute(service.rig.pool()).await.unwrap();
    let (status, ready) = service.get("/readyz").await;
    assert_eq!((status, &ready["checks"]["postgres"]), (503, &json!("ok")));
    assert!(ready["checks"]["schema"].as_str().unwrap().contains("purser migrate"));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let service = Service::new().await;
    service.post("application/json", shop::purchase(Uuid::now_v7()).to_string()).await;
    let response = service.request("GET", "/metrics").send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = response.text().await.unwrap();
    assert!(
        text.contains(r#"purser_events_total{kind="purchase",source="http",outcome="stored",reason=""} 1"#),
        "{text}"
    );
}

#[tokio::test]
async fn while_the_database_is_away_everything_says_so() {
    let service = Service::with(Rig::on("postgres://nobody:secret@127.0.0.1:1/nothing"), Tokens::default()).await;
    let asked_at = Instant::now();
    assert_eq!(service.get("/healthz").await.0, 200);
    let paths = ["/purchases/67e55044-10b1-426f-9247-bb680e5fe0c8", "/articles/top", "/sales/states"];
    let paths = paths.into_iter().chain(["/sales/over-time", "/rejections/summary", "/monitor", "/monitor/health"]);
    let asked = join_all(paths.map(|path| service.request("GET", path).send()));
    let submitted = service.request("POST", "/events/purchase").header("idempotency-key", "k");
    let submitted = submitted.body(shop::purchase(Uuid::now_v7()).to_string()).send();
    let ready = service.get("/readyz");
    let (answers, submitted, (unready, checks)) = tokio::join!(asked, submitted, ready);
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!(answer.headers()["retry-after"], "5");
        let (status, problem) = super::json(answer).await;
        assert_eq!((status, &problem["detail"]), (503, &json!("the database cannot be asked at the moment")));
    }
    // The batch has it and holds: nobody can say yet what becomes of it.
    let (status, problem) = super::json(submitted.unwrap()).await;
    assert_eq!((status, &problem["idempotency_key"]), (504, &json!("k")));
    assert_eq!((unready, checks["checks"]["schema"].as_str()), (503, Some("unknown")));
    assert!(asked_at.elapsed() < Duration::from_secs(13));
    service.rig.pipeline.shutdown.give_up();
}

#[tokio::test]
async fn a_service_that_is_told_to_stop_answers_what_was_asked_and_ends() {
    let service = Service::new().await;
    let mut waiting = service.rig.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE purchases").execute(&mut *waiting).await.unwrap();
    let asked = service.request("POST", "/events/purchase").body(shop::purchase(Uuid::now_v7()).to_string()).send();
    let asked = tokio::spawn(asked);
    let locked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'purchases'::regclass";
    while service.rig.number(locked).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    service.rig.pipeline.shutdown.stop();
    waiting.rollback().await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().status(), 201);
    tokio::time::timeout(Duration::from_secs(5), service.serving).await.unwrap().unwrap().unwrap();
}
