//! What the pipeline says about an event. Closed sets of static words: the same word stands in
//! metric, log, dead letter and HTTP answer.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::closed_set::closed_set;
pub use super::row_id::RowId;

closed_set! {
    /// Why an event was rejected, in the order of the stages; where several apply, the earliest names it.
    Reason {
        /// Larger than the configured limit; it was not looked into.
        Oversize = "oversize",
        /// The bytes are not the JSON that an event is written in.
        Decode = "decode",
        /// A field is missing, of the wrong type, or out of its bounds.
        Shape = "shape",
        /// It names a row that does not exist.
        Reference = "reference",
        /// Its id is stored already, with other content.
        Conflict = "conflict",
        /// Postgres refused this row, and this row only.
        Database = "database",
    }
}

closed_set! {
    /// Whether a rejected event can become acceptable without being changed.
    Class {
        /// Never.
        Permanent = "permanent",
        /// As soon as every row that it refers to exists.
        WhenReferenceAppears = "when_reference_appears",
    }
}

closed_set! {
    /// What is wrong at one place of an event.
    Code {
        /// The payload is larger than the limit.
        TooLarge = "too_large",
        /// The payload is not UTF-8.
        NotUtf8 = "not_utf8",
        /// The payload is not one JSON value.
        InvalidJson = "invalid_json",
        /// Arrays and objects are nested deeper than the parser goes.
        TooDeep = "too_deep",
        /// A required field is absent.
        Missing = "missing",
        /// A field stands twice in one object.
        DuplicateField = "duplicate_field",
        /// A value is of another JSON type than expected.
        WrongType = "wrong_type",
        /// A string is not written as expected.
        Format = "format",
        /// A value is out of its bounds.
        Range = "range",
        /// A string or array is too short or too long.
        Length = "length",
        /// No such row in `users`.
        UnknownUser = "unknown_user",
        /// No such row in `articles`.
        UnknownArticle = "unknown_article",
        /// Nothing says on which platform a product was viewed.
        UnknownPlatform = "unknown_platform",
        /// The same id is stored with other content.
        ContentDiffers = "content_differs",
        /// Postgres refused the row.
        DatabaseRefused = "database_refused",
        /// There are more violations than a report lists.
        MoreViolations = "more_violations",
    }
}

/// One thing that is wrong with an event, for whoever fixes the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// What is wrong.
    pub code: Code,
    /// Where: a JSON Pointer (RFC 6901); empty for the event as a whole.
    pub path: String,
    /// What would have been right.
    #[schema(value_type = String)]
    pub expected: Cow<'static, str>,
    /// What stood there, as JSON, cut short.
    pub actual: String,
    /// Both in a sentence.
    pub message: String,
}

impl Violation {
    /// A violation whose `actual` is cut to a readable length.
    #[must_use]
    pub fn new(code: Code, path: impl Into<String>, expected: impl Into<Cow<'static, str>>, actual: &str) -> Self {
        let (path, expected) = (path.into(), expected.into());
        let actual = cut_short(actual);
        let place = if path.is_empty() { "the event" } else { &path };
        let message = match code {
            Code::Missing => format!("{place} is missing: expected {expected}"),
            _ => format!("{place}: expected {expected}, found {actual}"),
        };
        Violation { code, path, expected, actual, message }
    }
}

/// The longest `actual`, in characters.
const ACTUAL_CHARS: usize = 120;

fn cut_short(text: &str) -> String {
    match text.char_indices().nth(ACTUAL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

closed_set! {
    /// A table of reference data.
    Table {
        /// Who buys.
        Users = "users",
        /// What is bought.
        Articles = "articles",
        /// Who takes part in A/B tests.
        Shoppers = "shoppers",
    }
}

impl Table {
    /// The code of a violation that names no row of this table; `None` where a missing row is no violation,
    /// because it would only add to the event.
    #[must_use]
    pub const fn unknown(self) -> Option<Code> {
        match self {
            Table::Users => Some(Code::UnknownUser),
            Table::Articles => Some(Code::UnknownArticle),
            Table::Shoppers => None,
        }
    }

    /// The column that events name.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Table::Users | Table::Articles => "id",
            Table::Shoppers => "user_id",
        }
    }
}

/// A row that an event needs and that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MissingReference {
    /// In which table.
    pub table: Table,
    /// Its id.
    pub id: RowId,
}

/// A verdict against an event: every reason at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The earliest stage that failed.
    pub reason: Reason,
    /// Everything that is wrong, in the order of the event's fields; never empty.
    pub violations: Vec<Violation>,
    /// The rows that it waits for, sorted, each once.
    pub missing: Vec<MissingReference>,
}

impl Rejection {
    /// A rejection for one single thing.
    #[must_use]
    pub fn single(reason: Reason, violation: Violation) -> Self {
        Rejection { reason, violations: vec![violation], missing: Vec::new() }
    }

    /// Permanent, unless missing rows are all that is wrong.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.reason {
            Reason::Reference => Class::WhenReferenceAppears,
            _ => Class::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_snake_case_and_unique() {
        let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'8')));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }

    #[test]
    fn what_was_found_is_cut_between_characters() {
        let violation = Violation::new(Code::Format, "/id_", "a uuid", &"é".repeat(500));
        assert_eq!(violation.actual.chars().count(), ACTUAL_CHARS + 1);
    }

    #[test]
    fn only_a_missing_row_can_appear_later() {
        let unknown = Violation::new(Code::UnknownUser, "/user_id", "a row of users", "x");
        assert_eq!(Rejection::single(Reason::Reference, unknown.clone()).class(), Class::WhenReferenceAppears);
        assert_eq!(Rejection::single(Reason::Shape, unknown).class(), Class::Permanent);
    }
}
