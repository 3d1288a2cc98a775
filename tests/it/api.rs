//! The HTTP service over a real socket, in front of a real pipeline and a real Postgres.

mod access;
mod answers;
mod breakers;
mod ctr;
mod dead_letters;
mod document;
mod events;
mod limits;
mod metrics;
mod monitor;
mod openapi;
mod orders;
mod views;

use std::sync::Arc;
use std::time::Duration;

use purser::api::{self, Api, Ctr, DeadLetters, Limits, Tokens};
use purser::blob::Blob;
use purser::config::{AbConfig, CtrConfig};
use purser::domain::Split;
use purser::events::KINDS;
use purser::health::Health;
use purser::intake::Source;
use purser::intake::http::HttpIntake;
use purser::pipeline::worker::BatchLimits;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::support::Rig;
use document::Document;

/// A service with a pipeline of its own.
struct Service {
    rig: Rig,
    health: Health,
    address: String,
    client: reqwest::Client,
    serving: JoinHandle<anyhow::Result<()>>,
    /// What the router shows of itself.
    routes: String,
    /// Where dead letters are shipped to.
    folder: TempDir,
}

impl Service {
    /// On a stocked database, for everybody on this machine.
    async fn new() -> Service {
        Service::with(Rig::new().await, Tokens::default()).await
    }

    async fn with(rig: Rig, tokens: Tokens) -> Service {
        Service::with_ctr(rig, tokens, ctr()).await
    }

    async fn with_ctr(rig: Rig, tokens: Tokens, ctr: Ctr) -> Service {
        Service::within(rig, tokens, ctr, limits()).await
    }

    async fn within(rig: Rig, tokens: Tokens, ctr: Ctr, limits: Limits) -> Service {
        let intakes = KINDS.iter().map(|kind| {
            let (queue, deliveries) = mpsc::channel(1000);
            tokio::spawn(kind.decide(rig.pipeline.clone(), Source::Http, deliveries, BatchLimits::default()));
            (kind.name, HttpIntake::new(kind.name, queue))
        });
        let (health, folder) = (Health::default(), tempfile::tempdir().unwrap());
        let api = Api {
            pool: rig.pool().clone(),
            intakes: Arc::new(intakes.collect()),
            health: health.clone(),
            metrics: Arc::clone(&rig.pipeline.metrics),
            tokens: Arc::new(tokens),
            limits: limits.clone(),
            max_event_bytes: rig.pipeline.max_event_bytes,
            ab: AbConfig { ab_expected_split: Split::default(), ab_minimum_users: 100, ab_silent_hours: 48 },
            ctr,
            dead_letters: DeadLetters::new(rig.pipeline.clone(), Blob::open(folder.path().to_str().unwrap()).unwrap()),
            project: "test".to_owned(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = rig.pipeline.shutdown.clone();
        let router = api::router(api);
        let routes = format!("{router:?}");
        let serving = tokio::spawn(async move { api::serve(listener, router, limits, &shutdown).await });
        Service { rig, health, address, client: reqwest::Client::new(), serving, routes, folder }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.address))
    }

    /// What `GET` answers: status and JSON.
    async fn get(&self, path: &str) -> (u16, Value) {
        self.documented("GET", self.request("GET", path).send().await.unwrap()).await
    }

    /// What `POST /events/purchase` answers.
    async fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.request("POST", "/events/purchase").header("content-type", content_type);
        self.documented("POST", request.body(body).send().await.unwrap()).await
    }

    async fn document(&self) -> Document {
        Document(json(self.request("GET", "/openapi.json").send().await.unwrap()).await.1)
    }

    /// Status and body of an answer that is as the document says.
    async fn documented(&self, method: &str, response: Response) -> (u16, Value) {
        let path = response.url().path().to_owned();
        let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let (status, body) = json(response).await;
        let document = self.document().await;
        if let Some(operation) = document.operation(method, &path) {
            assert_eq!(document.objections(&operation, status, &media_type, &body), [""; 0], "{method} {path}");
        }
        (status, body)
    }
}

/// Limits that no test reaches that is not about them.
fn limits() -> Limits {
    let room = || Arc::new(Semaphore::new(100));
    let (idle, deadline) = (Duration::from_secs(60), Duration::from_secs(60));
    Limits { connections: 100, idle, deadline, questions: room(), submissions: room() }
}

/// Click-through rates as they are configured by default.
fn ctr() -> Ctr {
    Ctr::new(&CtrConfig { ctr_cancelled_statuses: vec!["canceled".to_owned(), "cancelled".to_owned()] })
}

/// Status and body, which is JSON, and a problem exactly where the status is an error.
async fn json(response: Response) -> (u16, Value) {
    let status = response.status();
    let problem = response.headers()["content-type"] == "application/problem+json";
    let body: Value = response.json().await.unwrap();
    if problem {
        assert!(status.is_client_error() || status.is_server_error());
        assert_eq!(body["status"], status.as_u16());
        assert!(["type", "title", "detail"].iter().all(|member| body[member].is_string()), "{body}");
        assert!(body["errors"].is_array());
    } else {
        assert!(status.is_success() || body.get("checks").is_some(), "{status} {body}");
    }
    (status.as_u16(), body)
}
