//! Somebody, as their ids and e-mail addresses stand in what was sent.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// The shortest id that cannot be there by chance. A shorter one counts where something says that it is an id.
const DISTINCT: usize = 8;
/// Texts within texts: so often escapes are taken out of them.
const LAYERS: usize = 3;
/// What ends the name of a field that holds a person's id, without what is no letter or digit.
const NAMES: [&str; 9] =
    ["userid", "customerid", "shopperid", "visitorid", "mpid", "uid", "user", "customer", "shopper"];

/// A person: every id with the pseudonym that takes its place, and every e-mail address in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Ids, each with its pseudonym.
    pub ids: BTreeMap<String, Uuid>,
    /// E-mail addresses, in lower case.
    pub emails: BTreeSet<String>,
}

impl Person {
    /// The ids and their pseudonyms, as columns.
    #[must_use]
    pub fn columns(&self) -> (Vec<&str>, Vec<Uuid>) {
        self.ids.iter().map(|(id, pseudonym)| (id.as_str(), *pseudonym)).unzip()
    }

    /// Whether the text is one of the ids, or names the person.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.ids.contains_key(text) || self.is_named_in(text.as_bytes())
    }

    /// Regular expressions for Postgres, without regard to case: a text that matches one holds an address.
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        let pattern =
            |email: &String| format!("(^|[^[:alnum:].%+_-]){}($|[^[:alnum:].-]|\\.($|[^[:alnum:]-]))", literal(email));
        self.emails.iter().map(pattern).collect()
    }

    /// The same for all addresses, and for ids that stand alone, in one.
    #[must_use]
    pub fn pattern(&self) -> String {
        let ids = self.ids.keys().map(|id| format!("(^|[^[:alnum:]]){}($|[^[:alnum:]])", literal(id)));
        ids.chain(self.patterns()).collect::<Vec<_>>().join("|")
    }

    /// Whether the text names this person: by an address, or by an id that stands for itself, whatever of it
    /// is escaped.
    #[must_use]
    pub fn is_named_in(&self, text: &[u8]) -> bool {
        let mut text = String::from_utf8_lossy(text).to_lowercase();
        for _ in 0..LAYERS {
            if self.is_written_in(&text) {
                return true;
            }
            match unescaped(&text) {
                Some(unescaped) => text = unescaped.to_lowercase(),
                None => return false,
            }
        }
        self.is_written_in(&text)
    }

    fn is_written_in(&self, text: &str) -> bool {
        let address =
            |email: &String| found(text, email).any(|(before, behind)| ends(before, ".%+-_") && starts(behind));
        let id = |id: &String| {
            let id = id.to_lowercase();
            found(text, &id).any(|(before, behind)| {
                let alone = ends(before, "") && !behind.starts_with(char::is_alphanumeric);
                alone && (id.len() >= DISTINCT || is_name_of_an_id(before))
            })
        };
        self.emails.iter().any(address) || self.ids.keys().any(id)
    }
}

/// As a regular expression that matches nothing else.
fn literal(text: &str) -> String {
    let escaped = |char: char| if char.is_alphanumeric() { char.to_string() } else { format!("\\{char}") };
    text.chars().map(escaped).collect()
}

/// Every place where it stands: what is before it, and what behind.
fn found<'t>(text: &'t str, wanted: &str) -> impl Iterator<Item = (&'t str, &'t str)> {
    let length = wanted.len();
    let places: Vec<usize> =
        if wanted.is_empty() { Vec::new() } else { text.match_indices(wanted).map(|(at, _)| at).collect() };
    places.into_iter().map(move |at| (&text[..at], &text[at + length..]))
}

/// Whether a word ends here, which may hold these characters.
fn ends(before: &str, also: &str) -> bool {
    !before.ends_with(|char: char| char.is_alphanumeric() || also.contains(char))
}

/// Whether an address has ended before this.
fn starts(behind: &str) -> bool {
    let behind = behind.strip_prefix('.').unwrap_or(behind);
    !behind.starts_with(|char: char| char.is_alphanumeric() || char == '-')
}

/// `"user_id": "`, `mpid=`, and the like.
fn is_name_of_an_id(before: &str) -> bool {
    let is_between = |char: char| char.is_whitespace() || "\"'\\:=".contains(char);
    let name = before.trim_end_matches(is_between);
    let says_so = before[name.len()..].contains([':', '=']);
    let start = name.rfind(|char: char| !(char.is_alphanumeric() || "_-".contains(char))).map_or(0, |at| at + 1);
    let name: String = name.get(start..).unwrap_or_default().chars().filter(|char| char.is_alphanumeric()).collect();
    says_so && NAMES.iter().any(|end| name.ends_with(end))
}

/// The text with JSON's escapes taken out; `None` when there are none.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some((before, escaped)) = rest.split_once('\\') {
        plain.push_str(before);
        let unit = escaped.strip_prefix('u').and_then(|hex| Some((hex.get(..4)?, hex.get(4..)?)));
        let unit = unit.and_then(|(hex, behind)| Some((u32::from_str_radix(hex, 16).ok()?, behind)));
        let mut chars = escaped.chars();
        rest = match (unit, chars.next()) {
            (Some((unit, behind)), _) => {
                plain.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                behind
            }
            (None, Some('n' | 'r' | 't' | 'b' | 'f')) => {
                plain.push(' ');
                chars.as_str()
            }
            (None, Some(char)) => {
                plain.push(char);
                chars.as_str()
            }
            (None, None) => "",
        };
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(ids: &[&str], emails: &[&str]) -> Person {
        Person {
            ids: ids.iter().map(|id| ((*id).to_owned(), Uuid::nil())).collect(),
            emails: emails.iter().map(|email| (*email).to_owned()).collect(),
        }
    }

    #[test]
    fn an_address_is_found_whole_and_in_any_spelling() {
        let dan = person(&[], &["dan@example.com"]);
        for text in [
            "dan@example.com",
            r#"{"email":"DAN@Example.COM"}"#,
            r#"{"data":"{\"email\":\"dan\\u0040example.com\"}"}"#,
            "\"dan\\u0040example\\u002ecom\"",
            "to dan@example.com.",
            "?email=dan@example.com&x=1",
        ] {
            assert!(dan.is_named_in(text.as_bytes()), "{text}");
        }
        for text in ["jordan@example.com", "x.dan@example.com", "dan@example.com.au", "dan@example.community", "dan"] {
            assert!(!dan.is_named_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_long_id_is_found_anywhere_and_a_short_one_where_a_name_says_so() {
        let long = person(&["a853753d-171d-4c11-8163-8e69819261aa"], &[]);
        assert!(long.is_named_in(b"not json, A853753D-171D-4C11-8163-8E69819261AA!"));
        assert!(!long.is_named_in(b"a853753d-171d-4c11-8163-8e69819261aab"));
        let short = person(&["46"], &[]);
        for text in [
            r#"{"event":{"customer-id":46,"x":1}}"#,
            r#"{"data":"{\"customer-id\": \"46\"}"}"#,
            r#"{"lovevery_user_id":"46""#,
            "user_id = '46'",
            r#"{"keys":{"mpid":"46"}}"#,
        ] {
            assert!(short.is_named_in(text.as_bytes()), "{text}");
        }
        for text in [r#"{"quantity":46}"#, r#"{"user_id":"461"}"#, r#"{"user_id":1,"quantity":46}"#, "46", "user 46"] {
            assert!(!short.is_named_in(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_an_address_is_found(before in ".*", behind in ".*") {
            let dan = person(&[], &["dan@example.com"]);
            let text = serde_json::json!({ "a": before, "b": {"c": ["dan@example.com"]}, "d": behind }).to_string();
            let wrapped = serde_json::json!({ "data": text }).to_string();
            prop_assert!(dan.is_named_in(text.as_bytes()) && dan.is_named_in(wrapped.as_bytes()));
        }

        #[test]
        fn no_text_is_too_strange(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let named = person(&["46", "a853753d"], &["dan@example.com"]).is_named_in(&text);
            prop_assert!(!named || !text.is_empty());
        }
    }
}
