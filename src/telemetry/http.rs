//! What was asked over HTTP.

use std::time::Duration;

use axum::http::{Method, StatusCode};

use super::Metrics;
use super::labels::{RequestLabels, RouteLabels};

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let (route, method) = (route.to_owned(), word(method));
        let labels = RouteLabels { route: route.clone(), method };
        self.http_request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        self.http_requests.get_or_create(&RequestLabels { route, method, status: status.as_u16() }).inc();
    }
}

/// Whoever asks may make methods up; each would be a series for ever.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
