//! One row of a file: what can be loaded of it, or why it cannot.

use std::borrow::Cow;

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::value::RawValue;

use super::layout::{Column, Layout, Need};
use super::rows::Values;
use super::value::Type;
use crate::domain::Clock;

/// A row that can be loaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// One for each column, the key first; the outer is absent when the row does not speak of the column.
    pub(super) values: Values,
    /// What is to be said of its time.
    pub(super) clock: Clock,
}

/// A row that cannot.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) place: Place,
    pub(super) because: String,
    /// The row as an object of its columns; of what is none, the cells or the text.
    pub(super) row: Box<RawValue>,
}

/// Where in its file a row stands, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    /// Of a CSV file.
    Line(u64),
    /// Of a JSON file.
    Record(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Place::Line(number) | Place::Record(number)) = self;
        number.fmt(f)
    }
}

/// What a file says of a column: nothing, null, or a text.
pub(super) type Said<'t> = Option<Option<Cow<'t, str>>>;

/// Makes a row of what is said of each column, in the order of the layout.
///
/// # Errors
/// Says which column is wrong, and how.
pub(super) fn row<'t>(
    layout: &Layout,
    zone: Tz,
    said: impl Fn(&Column) -> Result<Said<'t>, String>,
) -> Result<Row, String> {
    let mut row = Row { values: Vec::with_capacity(layout.columns.len()), clock: Clock::Once };
    for column in layout.columns {
        let read = said(column).and_then(|said| read(column, said, zone));
        let (value, clock) = read.map_err(|error| format!("{}: {error}", column.name))?;
        row.values.push(value);
        if clock != Clock::Once {
            row.clock = clock;
        }
    }
    Ok(row)
}

fn read(column: &Column, said: Said<'_>, zone: Tz) -> Result<(Option<Option<String>>, Clock), String> {
    let is_value = |text: &Cow<'_, str>| column.r#type == Type::Text || !text.trim().is_empty();
    match said.map(|value| value.filter(is_value)) {
        Some(Some(text)) => {
            let (text, clock) = column.r#type.read(text, zone)?;
            Ok((Some(Some(text.into_owned())), clock))
        }
        _ if column.need == Need::Value => Err("missing".to_owned()),
        said => Ok((said.map(|_| None), Clock::Once)),
    }
}
