//! What slow, large and many requests can take up, and that probes are answered beside them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use purser::api::{Limits, Tokens};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::Service;
use crate::support::Rig;
use crate::support::stack::eventually;

async fn service(limits: Limits) -> Service {
    Service::within(Rig::new().await, Tokens::default(), super::ctr(), limits).await
}

impl Service {
    async fn open(&self, sent: &str) -> TcpStream {
        let address: SocketAddr = self.address.strip_prefix("http://").unwrap().parse().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream
    }
}

/// All that comes until the service closes the connection.
async fn heard(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    // A reset is an end, too: there was more to read than the service has read.
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_head_that_trickles_ends_the_connection() {
    let service = service(Limits { idle: Duration::from_millis(300), ..super::limits() }).await;
    for sent in ["", "GET /sales/states HT", "GET /sales/states HTTP/1.1\r\nhost: localhost\r\nx-slow: "] {
        let mut stream = service.open(sent).await;
        let trickling = async {
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Would go on for ever.
        trickling.await;
    }
    let kept = service.open("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(heard(kept).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let service = service(Limits { deadline: Duration::from_millis(300), ..super::limits() }).await;
    let head = "POST /ctr HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n";
    let stream = service.open(&format!("{head}connection: close\r\n\r\n{{")).await;
    let heard = heard(stream).await;
    assert!(heard.starts_with("HTTP/1.1 503") && heard.contains("retry-after: 5"), "{heard}");
}

#[tokio::test]
async fn heads_and_queries_are_bounded() {
    let service = Service::new().await;
    let long = "x".repeat(70_000);
    let many = "x: y\r\n".repeat(101);
    for (line, headers, status) in [
        ("GET /monitor", format!("x: {long}\r\n"), "431"),
        ("GET /monitor", many, "431"),
        (&format!("GET /monitor?country={}", &long[..8200]), String::new(), "414"),
        ("GET /monitor?country=SE", "x: y\r\n".repeat(90), "200"),
    ] {
        let stream =
            service.open(&format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")).await;
        let heard = heard(stream).await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{heard}");
    }
}

#[tokio::test]
async fn probes_are_answered_however_many_connections_there_are() {
    let service = service(Limits { connections: 2, ..super::limits() }).await;
    let idle = [service.open("").await, service.open("GET / HTTP/1.1\r\n").await];
    let crowded = async || {
        let refused = service.request("GET", "/sales/states").send().await.unwrap();
        (refused.status().as_u16() == 503).then(|| assert_eq!(refused.headers()["retry-after"], "5")).is_some()
    };
    eventually("a connection is one too many", crowded).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(service.request("GET", path).send().await.unwrap().status(), 200, "{path}");
    }
    drop(idle);
    eventually("there is room again", async || service.get("/sales/states").await.0 == 200).await;
}

#[tokio::test]
async fn probes_are_answered_however_many_requests_are_slow() {
    let room = || Arc::new(Semaphore::new(1));
    let service = service(Limits { questions: room(), submissions: room(), ..super::limits() }).await;
    let mut lock = service.rig.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE order_events").execute(&mut *lock).await.unwrap();
    let slow = tokio::spawn(service.request("GET", "/customers/top").send());
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'order_events'::regclass";
    eventually("the question waits", async || service.rig.number(waits).await == 1).await;
    let refused = service.request("GET", "/monitor").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(service.request("GET", path).send().await.unwrap().status(), 200, "{path}");
    }
    // Events have room of their own.
    assert_eq!(service.post("application/json", "{}").await.0, 422);
    lock.rollback().await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    assert_eq!(service.get("/monitor").await.0, 200);
}

#[tokio::test]
async fn a_name_that_somebody_lets_point_here_opens_nothing() {
    let service = Service::new().await;
    let ask = async |path: &str, header: &str, value: &str| {
        service.request("GET", path).header(header, value).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("/customers/top", "host", "rebound.test").await, 403);
    assert_eq!(ask("/customers/top", "origin", "http://page.test").await, 403);
    assert_eq!(ask("/customers/top", "host", "localhost:8080").await, 200);
    assert_eq!(ask("/sales/states", "host", "shop.test").await, 200);
}
