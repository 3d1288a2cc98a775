//! What is held back, and what a person may do about it.

use serde_json::json;

use super::{Service, json};

impl Service {
    async fn order_breaker(&self, kind: &str, body: serde_json::Value) -> (u16, serde_json::Value) {
        let request = self.request("POST", &format!("/breakers/{kind}")).body(body.to_string());
        self.documented("POST", request.send().await.unwrap()).await
    }
}

#[tokio::test]
async fn a_person_may_hold_force_and_resume() {
    let service = Service::new().await;
    assert_eq!(service.get("/breakers").await, (200, json!({"items": [], "next": null})));
    let (status, held) = service.order_breaker("order", json!({"order": "hold", "because": "maintenance"})).await;
    assert_eq!((status, &held["state"], &held["because"]), (200, &json!("open"), &json!("maintenance")));
    assert_eq!(held["subscription"], "projects/test/subscriptions/purser-orders");
    let (status, forced) = service.order_breaker("order", json!({"order": "force", "minutes": 5})).await;
    assert_eq!((status, &forced["state"], &forced["because"]), (200, &json!("forced"), &json!("by hand")));
    assert!(forced["forced_until"].is_string());
    let (_, resumed) = service.order_breaker("order", json!({"order": "resume"})).await;
    assert_eq!((&resumed["state"], &resumed["forced_until"]), (&json!("closed"), &json!(null)));
    assert_eq!(service.get("/breakers").await.1["items"], json!([resumed]));
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing() {
    let service = Service::new().await;
    assert_eq!(service.order_breaker("nothing", json!({"order": "hold"})).await.0, 404);
    for wrong in [
        json!({}),
        json!({"order": "burn"}),
        json!({"order": "hold", "minutes": 5}),
        json!({"order": "force", "minutes": 0}),
        json!({"order": "force", "for": 5}),
        json!({"order": "force", "because": "\0"}),
    ] {
        assert_eq!(service.order_breaker("order", wrong.clone()).await.0, 400, "{wrong}");
    }
    let elsewhere = service.request("POST", "/breakers/order").header("x-forwarded-for", "203.0.113.1");
    assert_eq!(json(elsewhere.body("{}").send().await.unwrap()).await.0, 403);
    assert_eq!(service.get("/breakers").await.1["items"], json!([]));
}
