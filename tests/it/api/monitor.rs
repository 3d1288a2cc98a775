//! `POST /receive_event`, `GET /monitor` and `GET /monitor/health`, as a client in the field calls them.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Service;

const EVENT: &str =
    r#"{"user_id":"u1","account_type":"free","date":"2026-01-07","event_type":null,"order_value":9.99,"version":"A"}"#;

/// The same with a user, version and date of its own.
fn event(user: &str, version: &str, date: &str) -> String {
    EVENT.replace("u1", user).replace(r#""A""#, &format!("{version:?}")).replace("2026-01-07", date)
}

async fn shoppers(service: &Service, shoppers: &[(&str, &str)]) {
    for (user, country) in shoppers {
        let insert = sqlx::query("INSERT INTO shoppers (user_id, country) VALUES ($1, $2)").bind(user).bind(country);
        insert.execute(service.rig.pool()).await.unwrap();
    }
}

async fn store(service: &Service, events: impl IntoIterator<Item = String>) {
    let words = service.rig.words_as("ab_event", events).await;
    assert!(words.iter().all(|word| word == "stored"), "{words:?}");
}

/// What `POST` answers, with an `Idempotency-Key` where there is one.
async fn receive(service: &Service, path: &str, key: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = service.request("POST", path).body(body.to_owned());
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    super::json(request.send().await.unwrap()).await
}

#[tokio::test]
async fn an_event_is_received_under_either_form_of_the_path() {
    let service = Service::new().await;
    for path in ["/receive_event", "//receive_event"] {
        let (status, answer) = receive(&service, path, None, EVENT).await;
        assert_eq!((status, &answer["outcome"]), (201, &json!("stored")), "{path}");
    }
    let counts = json!([{"country": "unknown", "version": "A", "nbr_events": 2}]);
    for path in ["/monitor", "//monitor", "/monitor?country=unknown", "//monitor?country=unknown", "/monitor?country="]
    {
        assert_eq!(service.get(path).await, (200, counts.clone()), "{path}");
    }
    assert_eq!(service.get("//monitor?country=DE").await, (200, json!([])));
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_key_makes_a_repeated_event_the_same_one() {
    let service = Service::new().await;
    let (status, stored) = receive(&service, "/receive_event", Some("k"), EVENT).await;
    assert_eq!(status, 201);
    let (status, duplicate) = receive(&service, "//receive_event", Some("k"), EVENT).await;
    assert_eq!((status, &duplicate), (200, &json!({"outcome": "duplicate", "id": stored["id"]})));
    assert_eq!(receive(&service, "/events/ab_event", Some("k"), EVENT).await.0, 200);
    let (status, problem) = receive(&service, "/receive_event", Some("k"), &event("u2", "A", "2026-01-07")).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &json!("content_differs")));
    assert_eq!(receive(&service, "/receive_event", Some("other"), EVENT).await.0, 201);
    service.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_wrong_event_hears_everything_that_is_wrong() {
    let service = Service::new().await;
    let body = r#"{"user_id":7,"date":"07.01.2026","order_value":"much","event_type":"","version":"A"}"#;
    for path in ["/receive_event", "//receive_event"] {
        let (status, problem) = receive(&service, path, None, body).await;
        let errors: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
        assert_eq!((status, errors), (422, vec!["/user_id", "/account_type", "/date", "/event_type", "/order_value"]));
        assert_eq!(problem["dead_letter"]["reason"], "shape");
    }
}

#[tokio::test]
async fn wrong_methods_and_parameters_are_problems_under_either_form() {
    let service = Service::new().await;
    for (method, path, status) in [
        ("GET", "/receive_event", 405),
        ("GET", "//receive_event", 405),
        ("POST", "//monitor", 405),
        ("DELETE", "/monitor/health", 405),
        ("GET", "///monitor", 404),
        ("POST", "//receive_event?version=A", 400),
        ("GET", "//monitor?country=DE&country=FR", 400),
        ("GET", "//monitor?version=A", 400),
        ("GET", "/monitor?country=%00", 400),
        ("GET", "/monitor/health?country=DE", 400),
    ] {
        let (found, problem) = super::json(service.request(method, path).send().await.unwrap()).await;
        assert_eq!(found, status, "{method} {path}");
        assert!(problem["detail"].is_string(), "{method} {path}");
    }
}

/// No client library in between that might tidy up the path.
#[tokio::test]
async fn the_slashes_arrive_as_they_were_sent() {
    let service = Service::new().await;
    let address = service.address.strip_prefix("http://").unwrap();
    let ask = async |request: String| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let head = format!("host: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", EVENT.len());
    let stored = ask(format!("POST //receive_event HTTP/1.1\r\n{head}{EVENT}")).await;
    assert!(stored.starts_with("HTTP/1.1 201 "), "{stored}");
    let counted = ask(format!("GET //monitor HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")).await;
    assert!(counted.ends_with(r#"[{"country":"unknown","version":"A","nbr_events":1}]"#), "{counted}");
}

#[tokio::test]
async fn events_are_counted_by_country_and_version_in_order() {
    let service = Service::new().await;
    assert_eq!(service.get("/monitor").await, (200, json!([])));
    shoppers(&service, &[("u1", "PT"), ("u2", "DE"), ("u3", "de")]).await;
    let events = [("u1", "B"), ("u1", "A"), ("u2", "B"), ("u2", "a"), ("u2", "B"), ("u3", "B"), ("u4", "A")];
    store(&service, events.map(|(user, version)| event(user, version, "2026-01-07"))).await;
    let item = |country, version, events| json!({"country": country, "version": version, "nbr_events": events});
    let expected = [
        item("DE", "B", 2),
        item("DE", "a", 1),
        item("PT", "A", 1),
        item("PT", "B", 1),
        item("de", "B", 1),
        item("unknown", "A", 1),
    ];
    assert_eq!(service.get("/monitor").await, (200, json!(expected)));
    assert_eq!(service.get("/monitor?country=DE").await, (200, json!(&expected[..2])));
}

#[tokio::test]
async fn health_is_reported_by_country_and_overall() {
    let service = Service::new().await;
    let people: Vec<(String, &str)> =
        (0..1000).map(|number| (format!("u{number}"), ["DE", "FR"][number % 2])).collect();
    shoppers(&service, &people.iter().map(|(user, country)| (user.as_str(), *country)).collect::<Vec<_>>()).await;
    // Of the French, three of four see A; of the Germans, as many see A as B.
    let version =
        |number: usize| if number % 2 == 1 { ["A", "A", "A", "B"][number / 2 % 4] } else { ["A", "B"][number / 2 % 2] };
    let date = |number: usize| if number % 2 == 1 { "2026-01-07" } else { "2026-01-10T12:00:00Z" };
    let events = (0..1000).map(|number| event(&format!("u{number}"), version(number), date(number)));
    store(&service, events.chain([event("u1", "B", "2026-01-01"), event("stranger", "A", "2026-01-09")])).await;
    let (status, health) = service.get("/monitor/health").await;
    assert_eq!(status, 200);
    assert_eq!(health["expected"], json!({"A": 0.5, "B": 0.5}));
    assert_eq!(health["overall"]["users"], json!({"A": 626, "B": 376}));
    assert_eq!(health["overall"]["events"], json!({"A": 626, "B": 376}));
    let countries: Vec<_> = health["countries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|country| json!([country["country"], country["verdict"], country["users"], country["last_event"]]))
        .collect();
    let expected = [
        json!(["DE", "healthy", {"A": 250, "B": 250}, "2026-01-10T12:00:00Z"]),
        json!(["FR", "unhealthy", {"A": 375, "B": 126}, "2026-01-07T00:00:00Z"]),
        json!(["unknown", "not_enough_data", {"A": 1, "B": 0}, null]),
    ];
    assert_eq!(countries, expected);
    let close = |value: &Value, expected: f64| (value.as_f64().unwrap() / expected - 1.0).abs() < 1e-9;
    // Printed by scipy 1.17.1: chisquare([626, 376]), chisquare([375, 126]).
    assert!(close(&health["overall"]["chi_square"], 62.375249500998), "{health}");
    assert!(close(&health["overall"]["p_value"], 2.838684813753605e-15), "{health}");
    assert!(close(&health["countries"][1]["p_value"], 9.533935146683625e-29), "{health}");
    assert_eq!((&health["verdict"], &health["crossover_users"]), (&json!("unhealthy"), &json!(1)));
    assert_eq!((&health["silent_countries"], &health["unseen_versions"]), (&json!(["FR"]), &json!([])));
    assert_eq!(
        (&health["first_event"], &health["last_event"]),
        (&json!("2026-01-01T00:00:00Z"), &json!("2026-01-10T12:00:00Z"))
    );
}

#[tokio::test]
async fn without_events_there_is_nothing_to_be_ill() {
    let service = Service::new().await;
    let expected = json!({
        "verdict": "not_enough_data", "expected": {}, "overall": {"users": {}, "events": {}, "chi_square": null, "p_value": null},
        "countries": [], "crossover_users": 0, "unseen_versions": [], "silent_countries": [],
        "first_event": null, "last_event": null,
    });
    assert_eq!(service.get("/monitor/health").await, (200, expected));
}
