//! The OpenAPI document, made of the routes and of what stands over their handlers.
//!
//! To add an endpoint:
//!
//! 1. Put `#[utoipa::path(get, path = "", tag = "Sales", responses((status = 200, …)))]` over its handler.
//!    The path stays empty: it stands once, in the list of routes. The first paragraph of the handler's doc
//!    comment is the summary, the rest the description: there stand the definitions of what is answered, and
//!    its order. `params(…)` names what [`super::parameters::Query`] reads.
//! 2. Derive `ToSchema` for what it answers, with a doc comment on every field that its name does not
//!    explain, and give the 200 a real answer as `example`.
//! 3. Add `.route("/path", routes!(module::handler))` to [`super::router`], under the guard that it needs.
//!
//! The guard adds the token and the statuses that all guarded endpoints share ([`shared`]): a handler names
//! only its own. For an error, `body = Problem` is enough. Tags are described in [`Document`]. What was
//! forgotten makes a test in `tests/it/api/openapi.rs` fail.

mod shared;

use std::collections::BTreeMap;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::{Content, OpenApi, RefOr, Response, Schema};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use super::events::{Accepted, Answer};
use super::index::{Index, for_browsers};
use super::problem::{PROBLEM_JSON, Problem};
use super::tokens::{Guard, guard};
use super::{Api, docs};

/// What the document says beside the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Purser",
        description = "Takes shop events in, and answers what was kept and what was refused.\n\n\
            Times are RFC 3339, UTC. Money is a JSON number written exactly from a decimal, beside its currency, \
            and never added across currencies. Lists are `{\"items\": […], \"next\": …}`. Errors are \
            `application/problem+json` and name everything that is wrong at once; a parameter that is not known \
            is wrong too. `X-Request-Id` is answered as it was sent, or made."
    ),
    tags(
        (name = "Events", description = "Events in. They take the same way as those from Pub/Sub."),
        (name = "Sales", description = "What was sold."),
        (name = "A/B tests", description = "Who was shown which version, and whether as many as should be."),
        (name = "Orders", description = "What was ordered."),
        (name = "Sessions", description = "What customers do in the shop before they order."),
        (name = "Product views", description = "What is viewed, and whether it is bought."),
        (name = "Rejections", description = "What was refused, why, and what is done about it."),
        (name = "Operations", description = "How the process is, and this document. For everybody.")
    ),
    // What responses name that are derived: they do not bring their schemas along.
    components(schemas(Problem, Accepted, Answer))
)]
struct Document;

/// Routes, and what the document says of them.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Api>,
    paths: Paths,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

/// The document as it is served: JSON.
#[derive(Debug, Clone)]
pub(super) struct Published(pub(super) Bytes);

impl Routes {
    /// Serves and documents handlers at a path.
    pub(super) fn route(mut self, path: &str, (schemas, paths, handlers): UtoipaMethodRouter<Api>) -> Self {
        self.router = self.router.route(path, handlers);
        self.schemas.extend(schemas);
        for mut item in paths.paths.into_values() {
            for (method, operation) in operations(&mut item) {
                operation.operation_id = Some(operation_id(method, path));
                operation.responses.responses.values_mut().for_each(as_problem_json);
            }
            self.paths.paths.entry(path.to_owned()).or_default().merge_operations(item);
        }
        self
    }

    /// Serves a handler under one more path, of which the document says nothing.
    pub(super) fn alias(mut self, path: &str, (_, _, handlers): UtoipaMethodRouter<Api>) -> Self {
        self.router = self.router.route(path, handlers);
        self
    }

    /// Puts all of them under a token.
    pub(super) fn guarded(mut self, api: &Api, by: Guard) -> Self {
        self.router = self.router.route_layer(from_fn_with_state((api.clone(), by), guard));
        for (_, operation) in self.paths.paths.values_mut().flat_map(operations) {
            operation.security = Some(shared::security(by));
            for (status, response) in shared::refusals(by) {
                operation.responses.responses.entry(status).or_insert(response);
            }
        }
        self
    }

    /// Lets browsers have the index of everything that is published instead.
    pub(super) fn with_index(mut self) -> Self {
        self.router = self.router.route_layer(from_fn(for_browsers));
        self
    }

    pub(super) fn merge(mut self, other: Routes) -> Self {
        self.router = self.router.merge(other.router);
        self.paths.merge(other.paths);
        self.schemas.extend(other.schemas);
        self
    }

    /// Without the document.
    pub(super) fn unpublished(self) -> Router<Api> {
        self.router
    }

    /// With the document about all of them and itself, at `/openapi.json` and `/docs`.
    pub(super) fn published(mut self) -> Router<Api> {
        let about =
            Routes::default().route("/openapi.json", routes!(docs::document)).route("/docs", routes!(docs::page));
        self.paths.merge(about.paths);
        let document = document(self.paths, self.schemas);
        let (index, published) = (Index::of(&document), Published(document.to_json().unwrap_or_default().into()));
        let about = about.router.merge(docs::files()).layer(Extension(published));
        self.router.layer(Extension(index)).merge(about)
    }
}

fn document(paths: Paths, schemas: BTreeMap<String, RefOr<Schema>>) -> OpenApi {
    let mut document = Document::openapi();
    document.paths = paths;
    let components = document.components.get_or_insert_default();
    components.schemas.extend(schemas);
    shared::add_to(components);
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [("get", &mut item.get), ("post", &mut item.post), ("put", &mut item.put), ("delete", &mut item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Unique, because a method stands once at a path.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.replace(['{', '}'], "").replace(['/', '-', '.'], "_");
    format!("{method}{words}")
}

/// `body = Problem` names no media type, and would mean `application/json`.
fn as_problem_json(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let contents = std::mem::take(&mut response.content);
    response.content = contents
        .into_iter()
        .map(|(media_type, content)| (if is_problem(&content) { PROBLEM_JSON.to_owned() } else { media_type }, content))
        .collect();
}

fn is_problem(content: &RefOr<Content>) -> bool {
    let RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) = content else { return false };
    schema.ref_location.ends_with("/Problem")
}
