//! The API's own documentation. The page loads nothing from elsewhere: it is inside the binary.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use utoipa_swagger_ui::Config;

use super::Api;
use super::openapi::Published;
use super::problem::Problem;

/// Nothing from other hosts. Swagger UI sets styles of elements, and has its icons as `data:`.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/// This document.
///
/// OpenAPI 3.1, made of the code.
#[utoipa::path(get, path = "", tag = "Operations", responses((status = 200, description = "The document", body = Object)))]
pub(super) async fn document(Extension(Published(json)): Extension<Published>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], json)
}

/// This document as a page.
///
/// Swagger UI. It needs no internet.
#[utoipa::path(get, path = "", tag = "Operations", responses((status = 303, description = "To `/docs/`, where the page is")))]
pub(super) async fn page() -> Redirect {
    Redirect::to("docs/")
}

/// What the page consists of.
pub(super) fn files() -> Router<Api> {
    let index = || async { file("index.html") };
    Router::new()
        .route("/docs/", get(index))
        .route("/docs/{*file}", get(|Path(name): Path<String>| async move { file(&name) }))
}

fn file(name: &str) -> Result<Response, Problem> {
    let config = Config::from("../openapi.json").validator_url("none").use_base_layout();
    match utoipa_swagger_ui::serve(name, Arc::new(config)) {
        Ok(Some(file)) => {
            let headers = [(CONTENT_TYPE, file.content_type), (CONTENT_SECURITY_POLICY, POLICY.to_owned())];
            Ok((headers, file.bytes.into_owned()).into_response())
        }
        Ok(None) => Err(Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at /docs/{name}"))),
        Err(_) => Err(Problem::fault()),
    }
}
