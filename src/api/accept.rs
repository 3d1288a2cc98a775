//! What a client would rather have: the `Accept` header (RFC 9110, section 12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Whether a client would rather have HTML than JSON, as browsers do. Where it likes both alike, as with
/// `*/*` or no header at all, it would not.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let lines: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
    let accept = lines.join(",");
    quality(&accept, "text", "html") > quality(&accept, "application", "json")
}

/// The quality that is given to a media type: that of the most specific range which it falls in, 0 in none.
fn quality(accept: &str, kind: &str, subtype: &str) -> f32 {
    let mut best = (0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some((given_kind, given_subtype)) = parts.next().and_then(|range| range.split_once('/')) else { continue };
        let specificity = match (given_kind, given_subtype) {
            ("*", "*") => 1,
            (given, "*") if given.eq_ignore_ascii_case(kind) => 2,
            (given, sub) if given.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => 3,
            _ => continue,
        };
        if specificity > best.0 {
            best = (specificity, parts.find_map(weight).unwrap_or(1.0));
        }
    }
    best.1
}

/// The value of a parameter `q`; one that is no number from 0 to 1 wants nothing.
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    let value = name.trim().eq_ignore_ascii_case("q").then(|| value.trim())?;
    Some(value.parse().ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn browsers_get_html_and_programs_json() {
        let cases = [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html, */*;q=0.1", true),
            ("text/html", true),
            ("TEXT/HTML;q=0.5 , application/json;Q=0.4", true),
            ("text/*, application/json;q=0.9", true),
            ("application/json;q=0, */*", true),
            ("", false),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/plain, */*", false),
            ("text/html;q=0.5, application/json", false),
            ("text/html, application/json", false),
            ("text/html;q=0, */*", false),
            ("text/html;q=nan, */*;q=0.1", false),
            ("image/png", false),
            ("html", false),
        ];
        for (accept, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(prefers_html(&headers), expected, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }

    #[test]
    fn lines_of_the_header_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("application/json;q=0.2"));
        headers.append(ACCEPT, HeaderValue::from_static("text/html;q=0.3"));
        assert!(prefers_html(&headers));
    }
}
