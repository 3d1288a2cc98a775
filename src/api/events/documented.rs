//! What the document says of every endpoint that takes events in.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::routing::MethodRouter;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Schema, Type};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::Accepted;
use super::summary::Summary;
use crate::api::Api;
use crate::api::problem::Problem;
use crate::events::{Attribute, EventKind, KINDS, Purchase};

/// The body of a request with one event, of whatever kind.
pub(super) struct OneEvent;

impl PartialSchema for OneEvent {
    fn schema() -> RefOr<Schema> {
        let events = KINDS.iter().map(|kind| event(kind.name, kind.fields, kind.example));
        events.fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
    }
}

/// An event of one kind.
pub(in crate::api) struct EventOf<K>(PhantomData<K>);

impl<K: EventKind> PartialSchema for EventOf<K> {
    fn schema() -> RefOr<Schema> {
        event(K::NAME, K::FIELDS, K::EXAMPLE).into()
    }
}

impl<K: EventKind> ToSchema for EventOf<K> {
    fn name() -> Cow<'static, str> {
        K::NAME.into()
    }
}

impl ToSchema for OneEvent {
    fn name() -> Cow<'static, str> {
        "Event".into()
    }
}

/// What an event of one kind looks like.
fn event(kind: &str, fields: &str, example: &str) -> ObjectBuilder {
    let event = ObjectBuilder::new().schema_type(Type::Object).title(Some(kind));
    event.description(Some(fields)).examples([json(example)])
}

/// What `submit` is documented as.
pub(super) fn of_every_kind((schemas, mut paths, handler): UtoipaMethodRouter<Api>) -> UtoipaMethodRouter<Api> {
    let examples = KINDS.iter().map(|kind| (kind.name, example(kind.example)));
    let one = ContentBuilder::new().schema(Some(Ref::from_schema_name(OneEvent::name()))).examples_from_iter(examples);
    let body = body(one, Purchase::EXAMPLE);
    posts(&mut paths).for_each(|operation| operation.request_body = Some(body.clone()));
    (schemas, paths, handler)
}

/// What `submit` is documented as, for the address of one kind alone.
pub(super) fn of_one_kind<K: EventKind>(
    (schemas, mut paths, _): UtoipaMethodRouter<Api>,
    handler: MethodRouter<Api>,
) -> UtoipaMethodRouter<Api> {
    for operation in posts(&mut paths) {
        operation.summary = Some(format!("Takes in one event of kind `{}`, or many.", K::NAME));
        operation.responses.responses.remove("404");
        let parameters = operation.parameters.get_or_insert_default();
        parameters.retain(|parameter| concerns::<K>(parameter));
        let one = ContentBuilder::new().schema(Some(EventOf::<K>::schema()));
        operation.request_body = Some(body(one.examples_from_iter([(K::NAME, example(K::EXAMPLE))]), K::EXAMPLE));
    }
    (schemas, paths, handler)
}

fn posts(paths: &mut Paths) -> impl Iterator<Item = &mut Operation> {
    paths.paths.values_mut().filter_map(|item| item.post.as_mut())
}

/// One event, or many, one a line.
fn body(one: ContentBuilder, line: &str) -> RefOr<RequestBody> {
    let line = json(line).to_string();
    let text = ObjectBuilder::new().schema_type(Type::String);
    let many = ContentBuilder::new().schema(Some(text)).example(Some(format!("{line}\n").into()));
    let body = RequestBodyBuilder::new().content("application/json", one.build());
    body.content("application/x-ndjson", many.build()).required(Some(Required::True)).build().into()
}

fn example(event: &str) -> Example {
    ExampleBuilder::new().value(Some(json(event))).build()
}

fn json(event: &str) -> Value {
    serde_json::from_str(event).unwrap_or_default()
}

fn concerns<K: EventKind>(parameter: &RefOr<Parameter>) -> bool {
    let RefOr::T(parameter) = parameter else { return true };
    parameter.parameter_in == ParameterIn::Header
        || K::ATTRIBUTES.iter().any(|attribute| attribute.name == parameter.name)
}

/// The header that makes repeating a request safe.
pub(in crate::api) struct IdempotencyKey;

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "Makes an event without an id of its own the same event when it is sent again: 1 to 255 \
                           visible ASCII characters. Default: a new one.";
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
        let header = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header);
        vec![header.required(Required::False).description(Some(description)).schema(Some(text)).build()]
    }
}

/// What the query may say of all events of a request, for the kinds that read it.
pub(super) struct Attributes;

impl IntoParams for Attributes {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let attributes = KINDS.iter().flat_map(|kind| kind.attributes.iter().map(|attribute| (kind.name, attribute)));
        let parameter = |(kind, Attribute { name, expected, example, .. }): (&str, &Attribute)| {
            let description = format!("Of every `{kind}` of the request: {expected}. Example: `{example}`.");
            let text = ObjectBuilder::new().schema_type(Type::String);
            let query = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query);
            query.required(Required::False).description(Some(description)).schema(Some(text)).build()
        };
        attributes.map(parameter).collect()
    }
}

/// What may become of events, beyond what may happen to any request.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document alone is made of it")]
pub(in crate::api) enum Decisions {
    /// Stored.
    #[response(status = 201, example = json!({"outcome": "stored", "id": "ae2e9931-7b10-4089-98a5-0aeba3d9fe6d"}))]
    Stored(Accepted),
    /// `duplicate`: its id is stored with the same content. `ignored`: the message holds no event that counts.
    /// Of ndjson, and of a message with several events that count: counts, and an item for every event that was
    /// not stored.
    #[response(
        status = 200,
        examples(
            ("One event" = (value = json!({
                "outcome": "duplicate", "id": "ae2e9931-7b10-4089-98a5-0aeba3d9fe6d",
            }))),
            ("Lines" = (value = json!({
                "received": 3, "stored": 2, "duplicate": 0, "rejected": 1, "ignored": 0,
                "items": [{
                    "line": 3, "outcome": "rejected",
                    "dead_letter": {
                        "id": "3152b205-0468-8845-b350-820562235101", "reason": "reference",
                        "fingerprint": "724551020868003c",
                    },
                    "errors": [{
                        "code": "unknown_article", "path": "/cart/0/article_id",
                        "expected": "the id of a row in articles",
                        "actual": "18898eed-2178-4574-870e-e66b1b806d22",
                        "message": "/cart/0/article_id: expected the id of a row in articles, found 18898eed-2178-4574-870e-e66b1b806d22",
                    }],
                }],
            }))),
        ),
    )]
    Known(Answer),
    /// The body did not arrive within 60 seconds.
    #[response(status = 408)]
    Slow(Problem),
    /// Its id is stored with other content. It is kept as the dead letter that the answer names.
    #[response(
        status = 409,
        example = json!({
            "type": "about:blank", "title": "Conflict", "status": 409,
            "detail": "the event was rejected (conflict) and is kept as dead letter 5d2dd2a9-8ac6-8f27-b94d-d8b1d3b4a5c0",
            "errors": [{
                "code": "content_differs", "path": "",
                "expected": "the content stored under this id, 3f7cbf2a47c0c2bd11d0e0f3e2b1a5c4",
                "actual": "9b5f0c6f8a1d4b7e2c3d5a6f7e8091a2",
                "message": "the event: expected the content stored under this id, 3f7cbf2a47c0c2bd11d0e0f3e2b1a5c4, found 9b5f0c6f8a1d4b7e2c3d5a6f7e8091a2",
            }],
            "dead_letter": {
                "id": "5d2dd2a9-8ac6-8f27-b94d-d8b1d3b4a5c0", "reason": "conflict", "fingerprint": "1f6d4c8a90b2e375",
            },
        }),
    )]
    Conflict(Problem),
    /// Larger than an event, or a body, may be. Nothing is kept.
    #[response(status = 413)]
    Large(Problem),
    /// Rejected, with everything that is wrong. It is kept as the dead letter that the answer names.
    #[response(
        status = 422,
        example = json!({
            "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
            "detail": "the event was rejected (shape) and is kept as dead letter 17d3f0d3-23c8-8b03-b3b5-2bc6ef6bc962",
            "errors": [{
                "code": "wrong_type", "path": "/cart/0/quantity", "expected": "a whole number from 1 to 1000000",
                "actual": "2.0",
                "message": "/cart/0/quantity: expected a whole number from 1 to 1000000, found 2.0",
            }],
            "dead_letter": {
                "id": "17d3f0d3-23c8-8b03-b3b5-2bc6ef6bc962", "reason": "shape", "fingerprint": "b0a1f2c3d4e5f607",
            },
        }),
    )]
    Rejected(Problem),
    /// Not decided, and it will not be. Send it again after `Retry-After` seconds, with the answer's
    /// `idempotency_key`.
    #[response(status = 503, headers(("Retry-After" = u16)))]
    Undecided(Problem),
    /// Being decided, but not within 10 seconds. Send it again after `Retry-After` seconds, with the answer's
    /// `idempotency_key`.
    #[response(status = 504, headers(("Retry-After" = u16)))]
    InFlight(Problem),
}

/// One event, or several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document alone is made of it")]
pub(in crate::api) enum Answer {
    One(Accepted),
    Several(Summary),
}
