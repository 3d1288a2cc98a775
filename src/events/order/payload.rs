//! The event as it came, as a value of a `jsonb` column.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::{Encode, Postgres, Type};

use crate::pipeline::decode::Json;
use crate::pipeline::verdict::{Code, Violation};

/// Bytes that are JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jsonb<'p>(pub(super) &'p [u8]);

/// The one version of `jsonb` on the wire: the text follows.
const VERSION: u8 = 1;

impl Type<Postgres> for Jsonb<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("jsonb")
    }
}

impl Encode<'_, Postgres> for Jsonb<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.push(VERSION);
        buffer.extend_from_slice(self.0);
        Ok(IsNull::No)
    }
}

/// The most bytes of a number, and the farthest that its exponent may be from 0: more than any double needs,
/// and a small part of what `jsonb` keeps.
const NUMBER: usize = 400;
/// No report lists more of them.
const MOST: usize = 100;

/// What is JSON, but not for `jsonb`: NUL in text or names, and numbers of thousands of digits.
pub(super) fn refused(json: &Json<'_>, payload: &[u8]) -> Vec<Violation> {
    let mut refused = Vec::new();
    if payload.windows(6).any(|bytes| bytes == b"\\u0000") {
        note_nul(json, &mut String::new(), &mut refused);
    }
    let expected = "numbers of at most 400 characters, with exponents from -400 to 400";
    let numbers = numbers(payload).filter(|number| !is_modest(number)).take(MOST);
    refused.extend(numbers.map(|number| Violation::new(Code::Range, "", expected, &String::from_utf8_lossy(number))));
    refused
}

fn note_nul(json: &Json<'_>, path: &mut String, refused: &mut Vec<Violation>) {
    let note = |path: &str, refused: &mut Vec<Violation>| {
        if refused.len() < MOST {
            refused.push(Violation::new(Code::Format, path, "text without NUL (\\u0000)", "a NUL"));
        }
    };
    let mut inside = |name: &str, value: &Json<'_>, refused: &mut Vec<Violation>| {
        let end = path.len();
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        if name.contains('\0') {
            note(path, refused);
        }
        note_nul(value, path, refused);
        path.truncate(end);
    };
    match json {
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| inside(&index.to_string(), item, refused));
        }
        Json::Object(fields) => fields.iter().for_each(|(name, value)| inside(name, value, refused)),
        Json::String(text) if text.contains('\0') => note(path, refused),
        _ => {}
    }
}

/// The numbers of a payload that is JSON.
fn numbers(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        loop {
            let start = rest.iter().position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9'))?;
            rest = &rest[start..];
            if rest[0] == b'"' {
                rest = &rest[text_bytes(rest)..];
                continue;
            }
            let is_outside = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
            let (number, behind) = rest.split_at(rest.iter().position(is_outside).unwrap_or(rest.len()));
            rest = behind;
            return Some(number);
        }
    })
}

/// How many bytes a text takes up, both of its quotes included.
fn text_bytes(from_quote: &[u8]) -> usize {
    let mut end = 1;
    while let Some(byte) = from_quote.get(end) {
        end += match byte {
            b'"' => return end + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    from_quote.len()
}

fn is_modest(number: &[u8]) -> bool {
    let exponent = || number.iter().position(|byte| byte.eq_ignore_ascii_case(&b'e')).map(|at| &number[at + 1..]);
    let is_near_zero = |exponent: &[u8]| {
        let exponent = std::str::from_utf8(exponent).ok().and_then(|exponent| exponent.parse::<i64>().ok());
        exponent.is_some_and(|exponent| exponent.unsigned_abs() <= NUMBER as u64)
    };
    number.len() <= NUMBER && exponent().is_none_or(is_near_zero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::decode::decode;

    fn paths(payload: &str) -> Vec<String> {
        let json = decode(payload.as_bytes()).unwrap();
        refused(&json, payload.as_bytes()).into_iter().map(|violation| violation.path).collect()
    }

    #[test]
    fn nul_is_found_wherever_it_stands() {
        let found = paths(r#"{"a":["x","\u0000"],"b~/c":{"\u0000":{"d":"1\u00002"}}}"#);
        assert_eq!(found, ["/a/1", "/b~0~1c/\0", "/b~0~1c/\0/d"]);
        assert_eq!(paths(r#"{"a":"\\u0000"}"#), Vec::<String>::new());
        let many = format!("[{}1]", r#""\u0000","#.repeat(1000));
        assert_eq!(paths(&many).len(), MOST);
    }

    #[test]
    fn numbers_beyond_a_numeric_are_found() {
        let long = format!("0.{}1", "0".repeat(400));
        for number in ["1e-401", "-1E-20000", "0e+99999999999999999999", long.as_str()] {
            assert_eq!(paths(&format!(r#"{{"a":"1e-999\"","b":[{number},1]}}"#)), [""], "{number}");
        }
        for number in ["1e-400", "0", "-12.5", "1.7976931348623157e308", "18446744073709551615"] {
            assert_eq!(paths(&format!(r#"{{"a":{number}}}"#)), Vec::<String>::new(), "{number}");
        }
    }
}
