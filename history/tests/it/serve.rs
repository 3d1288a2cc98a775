//! The engine over HTTP.

use std::time::Duration;

use purser_history::engine::Question;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::history::{Endless, History, read, served, service, shop};

async fn history() -> History {
    History::of(shop(500)).await
}

fn all(history: &History) -> Question {
    history.question("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z")
}

async fn post(url: &str, question: &impl serde::Serialize) -> Response {
    Client::new().post(format!("{url}/views")).json(question).send().await.unwrap()
}

/// The status and the detail of a problem.
async fn problem(response: Response) -> (u16, String) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    assert_eq!(response.headers().contains_key("retry-after"), status == 503);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status);
    (status, problem["detail"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_lines_and_how_many_there_were() {
    let history = history().await;
    let url = served(service(&history, history.engine())).await;
    let question = all(&history);
    let response = post(&url, &question).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    assert_eq!(read(&response.text().await.unwrap()), history.expected(&question));
    let nothing = Question { files: Vec::new(), ..question };
    assert_eq!(post(&url, &nothing).await.text().await.unwrap(), "{\"rows\":0}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_questions_are_refused() {
    let history = history().await;
    let url = served(service(&history, history.engine())).await;
    let good = serde_json::to_value(all(&history)).unwrap();
    let with = |name: &str, value: Value| {
        let mut question = good.clone();
        question[name] = value;
        question
    };
    let file = |path: &str| json!([{"path": path, "bytes": 1}]);
    for question in [
        json!(null),
        json!([]),
        json!({}),
        with("bucket_us", json!(0)),
        with("bucket_us", json!(-5)),
        with("bucket_us", json!(1e30)),
        with("most", json!(-1)),
        with("start", json!("2017-01-01T00:00:00Z")),
        with("start", json!("yesterday")),
        with("sql", json!("SELECT 1")),
        with("files", file("../../etc/passwd.parquet")),
        with("files", file("/etc/passwd.parquet")),
        with("files", file("a/%2e%2e/../b.parquet")),
        with("files", file("file:///etc/passwd.parquet")),
        with("files", json!([{"path": "a.parquet", "bytes": -1}])),
    ] {
        let (status, detail) = problem(post(&url, &question).await).await;
        assert_eq!(status, 400, "{question} {detail}");
    }
    let wide = with("start", json!("-262143-01-01T00:00:00Z"));
    assert_eq!(post(&url, &wide).await.status(), 200);
    let mut widest = wide;
    widest["end"] = json!("+262142-01-01T00:00:00Z");
    assert_eq!(problem(post(&url, &widest).await).await.0, 400);
    let large = "x".repeat(17 << 20);
    assert_eq!(problem(post(&url, &large).await).await.0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_broken_file_passes() {
    let history = history().await;
    let url = served(service(&history, history.engine())).await;
    let question = all(&history);
    let hidden = history.folder.path().join("hidden");
    std::fs::rename(history.path(&history.files[1]), &hidden).unwrap();
    let (status, detail) = problem(post(&url, &question).await).await;
    assert_eq!(status, 503);
    assert!(detail.contains("ask again"), "{detail}");
    std::fs::write(history.path(&history.files[1]), "no Parquet").unwrap();
    assert_eq!(problem(post(&url, &question).await).await.0, 503);
    std::fs::rename(&hidden, history.path(&history.files[1])).unwrap();
    assert_eq!(read(&post(&url, &question).await.text().await.unwrap()), history.expected(&question));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_learns_how_the_process_is_and_nothing_else() {
    let history = history().await;
    let mut service = service(&history, history.engine());
    service.token = Some("secret".into());
    let url = served(service).await;
    assert_eq!(problem(post(&url, &all(&history)).await).await.0, 401);
    let ask = |token: &str| {
        let request = Client::new().post(format!("{url}/views")).bearer_auth(token).json(&all(&history));
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!((ask("secre").await, ask("secret2").await, ask("secret").await), (401, 401, 200));
    for path in ["healthz", "readyz"] {
        assert_eq!(reqwest::get(format!("{url}/{path}")).await.unwrap().status(), 200);
    }
    assert_eq!(problem(reqwest::get(format!("{url}/views")).await.unwrap()).await.0, 405);
    assert_eq!(problem(reqwest::get(format!("{url}/else")).await.unwrap()).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_without_its_store() {
    let history = history().await;
    let url = served(service(&history, history.engine())).await;
    std::fs::remove_dir_all(history.folder.path()).unwrap();
    let response = reqwest::get(format!("{url}/readyz")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.json::<Value>().await.unwrap()["checks"]["store"], "cannot be reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_makes_room() {
    let history = history().await;
    let mut service = service(&history, history.engine());
    service.patience = Duration::from_millis(50);
    let room = service.room.clone();
    let url = served(service).await;
    let (_endless, endless) = Endless::below(&history);
    let asking = tokio::spawn({
        let url = url.clone();
        async move { post(&url, &endless).await }
    });
    while room.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let (status, detail) = problem(post(&url, &all(&history)).await).await;
    assert_eq!(status, 503, "{detail}");
    asking.abort();
    while room.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(post(&url, &all(&history)).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_too_long_is_given_up() {
    let history = history().await;
    let mut service = service(&history, history.engine());
    service.deadline = Duration::from_millis(200);
    let room = service.room.clone();
    let url = served(service).await;
    let (_endless, endless) = Endless::below(&history);
    let (status, detail) = problem(post(&url, &endless).await).await;
    assert_eq!((status, room.available_permits()), (503, 1), "{detail}");
}
