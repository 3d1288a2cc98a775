//! Who may ask what. Sums are for everybody unless a token is set; what shows personal data is for
//! nobody outside of this machine unless one is.

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::net::SocketAddr;
use subtle::ConstantTimeEq as _;

use super::Api;
use super::problem::Problem;
use crate::secret::Secret;

/// The bearer tokens of the service. An empty one counts as unset.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// `INGEST_TOKEN` guards what takes events in; unset, everybody may.
    pub ingest: Option<Secret>,
    /// `API_TOKEN` guards what shows payloads or personal data; unset, only this machine may ask.
    pub api: Option<Secret>,
    /// `READ_TOKEN` guards sums; unset, everybody may ask.
    pub read: Option<Secret>,
    /// `HTTP_ALLOW_ANONYMOUS`: what `API_TOKEN` would guard is for everybody who can reach the service.
    pub allow_anonymous: bool,
}

/// Which token a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    Ingest,
    Api,
    Read,
}

/// Lets a request through to the handler when its token, or where it comes from, allows it.
pub(super) async fn guard(
    State((api, guard)): State<(Api, Guard)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    api.tokens.admit(guard, request.headers(), peer)?;
    Ok(next.run(request).await)
}

impl Tokens {
    fn admit(&self, guard: Guard, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<(), Problem> {
        let token = match guard {
            Guard::Ingest => &self.ingest,
            Guard::Api => &self.api,
            Guard::Read => &self.read,
        };
        match (token.as_ref().map(Secret::expose).filter(|token| !token.is_empty()), guard) {
            (Some(token), _) if bearer(headers).is_some_and(|given| given.ct_eq(token.as_bytes()).into()) => Ok(()),
            (Some(_), _) => Err(unauthorized()),
            (None, Guard::Ingest | Guard::Read) => Ok(()),
            (None, Guard::Api) if self.allow_anonymous || is_local(headers, peer) => Ok(()),
            (None, Guard::Api) => Err(forbidden()),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// The peer itself is on this machine, and does not pass on what somebody else asks.
fn is_local(headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    let forwarded = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
        .iter()
        .any(|name| headers.contains_key(*name));
    !forwarded && peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

pub(super) fn unauthorized() -> Problem {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "this needs `Authorization: Bearer` with the right token");
    problem.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

pub(super) fn forbidden() -> Problem {
    let reason = "this shows personal data: without API_TOKEN it answers only requests that come straight from the \
                  machine it runs on; set API_TOKEN, or HTTP_ALLOW_ANONYMOUS=1 where everybody may see it";
    Problem::new(StatusCode::FORBIDDEN, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let token = |text: &str| Some(text.into());
        Tokens { ingest: token("i"), api: token("a"), read: token("r"), allow_anonymous: false }
    }

    /// 200, or the status of the refusal.
    fn status(tokens: &Tokens, guard: Guard, header: Option<(&'static str, &'static str)>, peer: &str) -> u16 {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        match tokens.admit(guard, &headers, peer.parse().ok()) {
            Ok(()) => 200,
            Err(problem) => serde_json::to_value(problem).unwrap()["status"].as_u64().unwrap() as u16,
        }
    }

    #[test]
    fn a_token_that_is_set_is_asked_for() {
        let tokens = tokens();
        for (guard, right) in [(Guard::Ingest, "Bearer i"), (Guard::Api, "bearer a"), (Guard::Read, "BEARER r")] {
            assert_eq!(status(&tokens, guard, Some(("authorization", right)), "203.0.113.1:1"), 200);
            for wrong in ["", "Bearer", "Bearer ", "Bearer x", "Basic i", "Bearer ii"] {
                assert_eq!(status(&tokens, guard, Some(("authorization", wrong)), "127.0.0.1:1"), 401, "{wrong}");
            }
            assert_eq!(status(&tokens, guard, None, "127.0.0.1:1"), 401);
        }
    }

    #[test]
    fn without_a_token_personal_data_stays_on_this_machine() {
        let unset = Tokens { api: Some("".into()), ..Tokens::default() };
        for (peer, expected) in [
            ("127.0.0.1:1", 200),
            ("127.3.2.1:1", 200),
            ("[::1]:1", 200),
            ("[::ffff:127.0.0.1]:1", 200),
            ("192.168.1.7:1", 403),
            ("unknown", 403),
        ] {
            assert_eq!(status(&unset, Guard::Api, None, peer), expected, "{peer}");
            assert_eq!(status(&unset, Guard::Ingest, None, peer), 200);
            assert_eq!(status(&unset, Guard::Read, None, peer), 200);
        }
        let proxied = Some(("x-forwarded-for", "127.0.0.1"));
        assert_eq!(status(&unset, Guard::Api, proxied, "127.0.0.1:1"), 403);
        let anonymous = Tokens { allow_anonymous: true, ..Tokens::default() };
        assert_eq!(status(&anonymous, Guard::Api, None, "192.168.1.7:1"), 200);
    }
}
