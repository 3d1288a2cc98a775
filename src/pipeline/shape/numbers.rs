//! Fields that are numbers, and what else stands for one.

use rust_decimal::Decimal;
use validator::ValidateRange;

use super::super::decode::Json;
use super::super::verdict::{Code, Violation};
use super::Object;

/// The digits behind the point that an amount of money keeps.
const DECIMALS: u32 = 4;

impl Object<'_> {
    /// A required whole JSON number within bounds, both inclusive. `2.0` and `"2"` are none.
    pub fn whole(&self, name: &str, (min, max): (i32, i32), violations: &mut Vec<Violation>) -> Option<i32> {
        let expected = || format!("a whole number from {min} to {max}").into();
        self.read(name, expected, violations, |value| match value {
            Json::Whole(whole) => bounded(*whole, (min, max)),
            _ => Err(Code::WrongType),
        })
    }

    /// A required whole number within bounds, both inclusive, as a JSON number or as a string of digits.
    pub fn count(&self, name: &str, (min, max): (i32, i32), violations: &mut Vec<Violation>) -> Option<i32> {
        let expected = || format!("a whole number from {min} to {max}, or a string of its digits").into();
        self.read(name, expected, violations, |value| match value {
            Json::Whole(whole) => bounded(*whole, (min, max)),
            Json::String(text) => match text.trim().parse() {
                Ok(whole) => bounded(whole, (min, max)),
                Err(_) => Err(Code::Format),
            },
            _ => Err(Code::WrongType),
        })
    }

    /// A required amount of money within bounds, both inclusive: a JSON number, or a string of one. Digits
    /// behind the fourth decimal are rounded, as a client's floating point leaves them.
    pub fn money(
        &self,
        name: &str,
        (min, max): (Decimal, Decimal),
        violations: &mut Vec<Violation>,
    ) -> Option<Decimal> {
        let expected = || format!("an amount from {min} to {max}").into();
        self.read(name, expected, violations, |value| {
            let amount = match value {
                Json::Whole(whole) => decimal(&whole.to_string()).ok_or(Code::Range)?,
                Json::Float(float) => decimal(&format!("{float:?}")).ok_or(Code::Range)?,
                Json::String(text) => decimal(text.trim()).ok_or(Code::Format)?,
                _ => return Err(Code::WrongType),
            };
            let amount = amount.round_dp(DECIMALS).normalize();
            if (min..=max).contains(&amount) { Ok(amount) } else { Err(Code::Range) }
        })
    }

    /// A required boolean: a JSON one, or the string `true` or `false` in any case.
    pub fn boolean(&self, name: &str, violations: &mut Vec<Violation>) -> Option<bool> {
        self.read(
            name,
            || "true or false".into(),
            violations,
            |value| match value {
                Json::Bool(value) => Ok(*value),
                Json::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
                Json::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
                Json::String(_) => Err(Code::Format),
                _ => Err(Code::WrongType),
            },
        )
    }
}

fn bounded(whole: i128, (min, max): (i32, i32)) -> Result<i32, Code> {
    match whole.validate_range(Some(min.into()), Some(max.into()), None, None) {
        true => i32::try_from(whole).map_err(|_| Code::Range),
        false => Err(Code::Range),
    }
}

/// A number as JSON writes it.
fn decimal(text: &str) -> Option<Decimal> {
    let in_json = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let decimal = || Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok();
    in_json.then(decimal).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::tests::codes;
    use super::*;

    fn amount(json: &str) -> Result<String, Code> {
        let mut read = None;
        let noted = codes(&format!(r#"{{"m":{json}}}"#), |object, violations| {
            read = object.money("m", (Decimal::ZERO, Decimal::from(1_000_000)), violations);
        });
        noted.first().map_or_else(|| Ok(read.unwrap().to_string()), |(_, code)| Err(*code))
    }

    #[test]
    fn amounts_are_numbers_or_texts_of_them() {
        for (json, expected) in [
            ("12.50", Ok("12.5")),
            ("0", Ok("0")),
            ("19.990000000000002", Ok("19.99")),
            ("1e2", Ok("100")),
            (r#"" 7.25 ""#, Ok("7.25")),
            (r#""1_000""#, Err(Code::Format)),
            (r#""NaN""#, Err(Code::Format)),
            (r#""""#, Err(Code::Format)),
            ("-0.01", Err(Code::Range)),
            ("1e300", Err(Code::Range)),
            ("123456789012345678901234567890", Err(Code::Range)),
            ("true", Err(Code::WrongType)),
        ] {
            assert_eq!(amount(json), expected.map(str::to_owned), "{json}");
        }
    }

    #[test]
    fn counts_may_be_digits_and_booleans_words() {
        let noted = codes(r#"{"a":"2","b":"two","c":"2.0","d":2,"e":"TRUE","f":"yes","g":0}"#, |object, violations| {
            for name in ["a", "b", "c", "d"] {
                object.count(name, (1, 9), violations);
            }
            for name in ["e", "f", "g"] {
                object.boolean(name, violations);
            }
        });
        let expected = [("/b", Code::Format), ("/c", Code::Format), ("/f", Code::Format), ("/g", Code::WrongType)];
        assert_eq!(noted, expected.map(|(path, code)| (path.to_owned(), code)));
    }
}
