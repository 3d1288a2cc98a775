//! What the document says of what is sent to an endpoint that takes events in.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::routing::MethodRouter;
use serde_json::Value;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::api::Api;
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
        operation.summary = Some(format!("Takes in one {}, or many.", K::NAME));
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
