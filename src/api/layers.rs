//! What happens around every request: an id, a span in the log, its time among the metrics, and no panic
//! that goes unanswered.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tracing::Span;

use super::problem::Problem;
use crate::telemetry::{Metrics, continue_trace};

/// Routes with all of that around them.
pub fn around(routes: Router, metrics: Arc<Metrics>) -> Router {
    let trace = TraceLayer::new_for_http().make_span_with(span).on_response(answered).on_request(()).on_failure(());
    // The last one added is the outermost.
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(metrics, measure))
        .layer(trace)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// By the path as the route has it: what stands in its place would be a series each.
async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let (began, method) = (Instant::now(), request.method().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    metrics.answered(route, &method, response.status(), began.elapsed());
    response
}

/// The query stays out: somebody will put a secret there.
fn span(request: &Request) -> Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id);
    continue_trace(&span, request.headers());
    span
}

fn answered(response: &Response, took: Duration, _span: &Span) {
    tracing::debug!(status = response.status().as_u16(), milliseconds = took.as_secs_f64() * 1e3, "answered");
}

#[expect(clippy::needless_pass_by_value, reason = "tower-http calls it")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("no text"), "a handler panicked");
    Problem::fault().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;

    #[tokio::test]
    async fn a_panic_is_a_problem_with_the_request_id() {
        let broken = || async {
            if true {
                panic!("secret")
            }
        };
        let routes = Router::new().route("/", get(broken));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, around(routes, Arc::default())).await });
        let response = reqwest::Client::new().get(url).header("x-request-id", "7").send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["x-request-id"]), (500, &"7".parse().unwrap()));
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(!response.text().await.unwrap().contains("secret"));
    }
}
