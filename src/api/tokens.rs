//! Who may ask what. Sums are for everybody unless a token is set; what shows personal data is for
//! nobody outside of this machine unless one is.

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq as _;

use super::Api;
use super::limits::within;
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

/// Lets a request through to the handler when its token, or where it comes from, allows it, and there is room.
pub(super) async fn guard(
    State((api, guard)): State<(Api, Guard)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    api.tokens.admit(guard, request.headers(), peer)?;
    within(&api.limits, guard, request, next).await
}

impl Tokens {
    fn admit(&self, guard: Guard, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<(), Problem> {
        let token = match guard {
            Guard::Ingest => &self.ingest,
            Guard::Api => &self.api,
            Guard::Read => &self.read,
        };
        match (token.as_ref().map(Secret::expose).filter(|token| !token.is_empty()), guard) {
            (Some(token), _) => admit(headers, token),
            (None, Guard::Ingest | Guard::Read) => Ok(()),
            (None, Guard::Api) if self.allow_anonymous => Ok(()),
            (None, Guard::Api) if !is_local(headers, peer) => Err(forbidden()),
            (None, Guard::Api) if is_led_astray(headers) => Err(led_astray()),
            (None, Guard::Api) => Ok(()),
        }
    }
}

/// Lets through who brings the token, as `Authorization: Bearer`. How long that takes tells nothing of the token.
///
/// # Errors
/// 401 for everybody else.
pub fn admit(headers: &HeaderMap, token: &str) -> Result<(), Problem> {
    let given = bearer(headers).is_some_and(|given| given.ct_eq(token.as_bytes()).into());
    if given { Ok(()) } else { Err(unauthorized()) }
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

/// A page of some site can have a browser on this machine ask here: by a name that it lets point to this
/// machine, which then stands in `Host`, or by a request across origins, which says so in `Origin`.
fn is_led_astray(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return headers.contains_key(ORIGIN) };
    let is_ours = host.to_str().is_ok_and(is_own_name);
    let own = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        let origin = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_bytes()))
    };
    !(is_ours && headers.get_all(ORIGIN).iter().all(own))
}

/// Whether nobody else can let this name point here: an address, or what this machine calls itself.
fn is_own_name(host: &str) -> bool {
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
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

fn led_astray() -> Problem {
    let reason = "this shows personal data: without API_TOKEN it answers only requests for localhost or for an \
                  address, and none that a page of another origin makes";
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

    #[test]
    fn a_browser_that_is_led_here_is_turned_away() {
        let tokens = Tokens::default();
        let asked = |host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            headers.extend(origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))));
            tokens.admit(Guard::Api, &headers, "127.0.0.1:1".parse().ok()).is_ok()
        };
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "192.168.1.7:80"] {
            assert!(asked(host, None), "{host}");
        }
        for host in ["evil.test", "evil.test:8080", "localhost.evil.test", "127.0.0.1.evil.test:8080", "", "[evil]"] {
            assert!(!asked(host, None), "{host}");
        }
        assert!(asked("localhost:8080", Some("http://localhost:8080")));
        for origin in ["http://evil.test", "null", "http://localhost:3000", "http://localhost"] {
            assert!(!asked("localhost:8080", Some(origin)), "{origin}");
        }
        let token = Tokens { api: Some("a".into()), ..Tokens::default() };
        assert_eq!(status(&token, Guard::Api, Some(("authorization", "Bearer a")), "203.0.113.1:1"), 200);
    }
}
