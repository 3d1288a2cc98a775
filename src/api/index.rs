//! What people find at the address of the service: its endpoints, on one page that loads nothing.

use std::fmt::Write as _;

use axum::Extension;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, Tag};

use super::accept::prefers_html;

/// The page, as it is served.
#[derive(Debug, Clone)]
pub(super) struct Index(Bytes);

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Purser</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
td { padding: .1rem 1rem .1rem 0; vertical-align: top }
</style>
<h1>Purser</h1>
<p>Every parameter, status and definition: <a href=\"docs\">docs</a>, <a href=\"openapi.json\">openapi.json</a>.
Programs that ask here for JSON get the stored orders.</p>
";

/// Lets browsers have the index where programs get the answer of the handler.
pub(super) async fn for_browsers(Extension(Index(page)): Extension<Index>, request: Request, next: Next) -> Response {
    let mut response = match prefers_html(request.headers()) {
        true => {
            let policy = "default-src 'none'; style-src 'unsafe-inline'";
            ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)], page).into_response()
        }
        false => next.run(request).await,
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    response
}

impl Index {
    /// Lists what a document describes, tag by tag.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut page = HEAD.to_owned();
        for tag in document.tags.iter().flatten() {
            let Tag { name, description, .. } = tag;
            let about = description.as_deref().unwrap_or_default();
            let rows: String = rows(document, name).collect();
            // Writing into a string does not fail.
            let _ = write!(page, "<h2>{}</h2>\n<p>{}</p>\n<table>\n{rows}</table>\n", escaped(name), escaped(about));
        }
        Index(page.into())
    }
}

fn rows(document: &OpenApi, tag: &str) -> impl Iterator<Item = String> {
    let operations =
        document.paths.paths.iter().flat_map(|(path, item)| operations(item).map(move |found| (path, found)));
    let tagged = move |operation: &Operation| operation.tags.iter().flatten().any(|name| name == tag);
    operations.filter(move |(_, (_, operation))| tagged(operation)).map(|(path, (method, operation))| {
        let summary = escaped(operation.summary.as_deref().unwrap_or_default());
        let code = format!("<code>{}</code>", escaped(path));
        let path = match method == "GET" && !path.contains('{') {
            true => format!("<a href=\".{}\">{code}</a>", escaped(path)),
            false => code,
        };
        format!("<tr><td>{method}<td>{path}<td>{summary}\n")
    })
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
