//! Any request gets an answer that says what was wrong with it; none makes the service fail.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response, Uri};
use purser::api::{self, Api, Ctr, DeadLetters, Limits, Tokens};
use purser::blob::Blob;
use purser::config::{AbConfig, CtrConfig};
use purser::domain::Split;
use purser::events::KINDS;
use purser::health::Health;
use purser::intake::http::HttpIntake;
use purser::pipeline::{Outcome, Pipeline};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

thread_local! {
    static SERVICE: Service = Service::start();
}

/// The service, in front of a database that is away. Events are all said to be stored.
struct Service {
    runtime: Runtime,
    router: Router,
}

/// `GET` or `POST`, a path with its query, a line end, and the body: any bytes.
pub fn http(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let (method, target) = match line.strip_prefix(b"POST ") {
        Some(target) => ("POST", target),
        None => ("GET", line.strip_prefix(b"GET ").unwrap_or(line)),
    };
    let Some(uri) = uri(target) else { return };
    SERVICE.with(|service| service.ask(method, &uri, body));
}

/// What may not stand in an address is escaped, as any client does.
fn uri(target: &[u8]) -> Option<Uri> {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    let escaped = |byte: &u8| if may_stand(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    let uri: String = target.iter().map(escaped).collect();
    uri.starts_with('/').then(|| uri.parse().ok()).flatten()
}

impl Service {
    fn start() -> Service {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let router = runtime.block_on(async {
            let pool = PgPoolOptions::new().connect_lazy("postgres://nobody@localhost/none").expect("an address");
            pool.close().await;
            let (metrics, shutdown) = (Arc::new(Metrics::default()), Shutdown::default());
            let pipeline = Pipeline::new(pool.clone(), Arc::clone(&metrics), shutdown, 1 << 16);
            let blob = std::env::temp_dir().join("purser-fuzz");
            let blob = Blob::open(&blob.to_string_lossy()).expect("a folder");
            api::router(Api {
                pool,
                dead_letters: DeadLetters::new(pipeline, blob),
                intakes: Arc::new(KINDS.iter().map(|kind| (kind.name, intake(kind.name))).collect()),
                health: Health::default(),
                metrics,
                tokens: Arc::new(Tokens { allow_anonymous: true, ..Tokens::default() }),
                limits: Limits::default(),
                max_event_bytes: 1 << 16,
                ab: AbConfig { ab_expected_split: Split::default(), ab_minimum_users: 100, ab_silent_hours: 48 },
                ctr: Ctr::new(&CtrConfig { ctr_cancelled_statuses: vec!["canceled".to_owned()] }),
                project: "none".to_owned(),
            })
        });
        Service { runtime, router }
    }

    fn ask(&self, method: &str, uri: &Uri, body: &[u8]) {
        self.runtime.block_on(async {
            let several = body.contains(&b'\n');
            let media_type = if several { "application/x-ndjson" } else { "application/json" };
            let request = Request::builder().method(method).uri(uri).header(CONTENT_TYPE, media_type);
            let request = request.body(Body::from(body.to_vec())).expect("a request");
            let Ok(response) = self.router.clone().oneshot(request).await;
            let takes_in = ["/events/", "/create", "/receive_event", "//receive_event"];
            let takes_in = takes_in.iter().any(|path| uri.path().starts_with(path)) && several && method == "POST";
            let takes_in = takes_in && response.status() == 200;
            let answer = answered(uri, response).await;
            if takes_in {
                let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
                assert_eq!((&answer["received"], &answer["stored"]), (&lines.into(), &lines.into()), "{uri}");
            }
        });
    }
}

/// What was answered, where that is JSON.
async fn answered(uri: &Uri, response: Response<Body>) -> Value {
    let (status, media_type) = (response.status().as_u16(), response.headers().get(CONTENT_TYPE).cloned());
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("the answer is whole");
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert!([200, 201, 303, 307, 400, 403, 404, 405, 413, 422, 503].contains(&status), "{status} for {uri}: {answer}");
    if status >= 400 && uri.path() != "/readyz" {
        assert_eq!(media_type.as_ref().map(AsRef::as_ref), Some(&b"application/problem+json"[..]), "{uri}");
        assert_eq!((&answer["status"], answer["detail"].is_string()), (&status.into(), true), "{uri}: {answer}");
    }
    if status == 400 {
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let words = |error: &Value| {
            ["code", "message"].iter().all(|name| error[name].as_str().is_some_and(|text| !text.is_empty()))
        };
        assert!(errors.iter().all(|error| words(error) && error["parameter"].is_string()), "{uri}: {answer}");
    }
    answer
}

/// Takes events in, and says of each that it is stored.
fn intake(kind: &'static str) -> HttpIntake {
    let (queue, mut deliveries) = mpsc::channel::<purser::intake::Delivery>(1000);
    tokio::spawn(async move {
        while let Some(delivery) = deliveries.recv().await {
            delivery.receipt.settle(vec![Outcome::Stored { key: delivery.id }]);
        }
    });
    HttpIntake::new(kind, queue)
}
