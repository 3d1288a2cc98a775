//! What many endpoints have in common: tokens, and why a request is refused.

use axum::http::StatusCode;
use serde_json::json;
use utoipa::PartialSchema as _;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::api::problem::{Fault, PROBLEM_JSON, Problem};
use crate::api::tokens::{Guard, forbidden, unauthorized};

/// With the token or, where it is unset, without.
pub(super) fn security(guard: Guard) -> Vec<SecurityRequirement> {
    vec![SecurityRequirement::new(token(guard).0, Vec::<String>::new()), SecurityRequirement::default()]
}

/// The name of a token, and when it is asked for.
const fn token(guard: Guard) -> (&'static str, &'static str) {
    match guard {
        Guard::Ingest => ("INGEST_TOKEN", "Guards what takes events in. Unset, everybody may."),
        Guard::Api => (
            "API_TOKEN",
            "Guards what shows payloads or personal data, and what changes dead letters. Unset, only requests from the machine itself are \
             answered, unless HTTP_ALLOW_ANONYMOUS is set.",
        ),
        Guard::Read => ("READ_TOKEN", "Guards sums. Unset, everybody may ask."),
    }
}

/// Every status that an endpoint under this guard may answer with, whatever it does.
pub(super) fn refusals(guard: Guard) -> impl Iterator<Item = (String, RefOr<Response>)> {
    let refusals = Refusal::ALL.iter().filter(move |refusal| refusal.only.is_none_or(|only| only == guard));
    refusals.map(|refusal| (refusal.status.as_str().to_owned(), Ref::from_response_name(refusal.name()).into()))
}

/// Adds what [`security`] and [`refusals`] refer to.
pub(super) fn add_to(components: &mut Components) {
    for guard in [Guard::Ingest, Guard::Api, Guard::Read] {
        let (name, description) = token(guard);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description));
        components.add_security_scheme(name, SecurityScheme::Http(bearer.build()));
    }
    for refusal in Refusal::ALL {
        components.responses.insert(refusal.name(), refusal.response().into());
    }
}

struct Refusal {
    status: StatusCode,
    description: &'static str,
    problem: fn() -> Problem,
    header: Option<&'static str>,
    only: Option<Guard>,
}

impl Refusal {
    const ALL: &[Refusal] = &[
        Refusal {
            status: StatusCode::BAD_REQUEST,
            description: "Parameters that cannot be used, or are not known; each of them is named.",
            problem: || {
                Problem::parameters(vec![Fault::parameter("format", "from", "a date or an RFC 3339 time", "x")])
            },
            header: None,
            only: None,
        },
        Refusal {
            status: StatusCode::UNAUTHORIZED,
            description: "The token is missing or wrong.",
            problem: unauthorized,
            header: Some("WWW-Authenticate"),
            only: None,
        },
        Refusal {
            status: StatusCode::FORBIDDEN,
            description: "There is no token, and the request comes from another machine.",
            problem: forbidden,
            header: None,
            only: Some(Guard::Api),
        },
        Refusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            description: "A fault of the service. The log has the rest under the answer's `X-Request-Id`.",
            problem: Problem::fault,
            header: None,
            only: None,
        },
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            description: "The database cannot be asked at the moment.",
            problem: Problem::database_away,
            header: Some("Retry-After"),
            only: None,
        },
    ];

    /// `BadRequest`, `Unauthorized`, …
    fn name(&self) -> String {
        self.status.canonical_reason().unwrap_or_default().replace(' ', "")
    }

    fn response(&self) -> Response {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .example(Some(json!((self.problem)())))
            .build();
        let response = ResponseBuilder::new().description(self.description).content(PROBLEM_JSON, content);
        match self.header {
            Some(name) => response.header(name, text()).build(),
            None => response.build(),
        }
    }
}

fn text() -> Header {
    HeaderBuilder::new().schema(Some(String::schema())).build()
}
