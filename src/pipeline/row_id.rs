//! What events call the rows that they refer to.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

/// The id of a row of reference data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowId {
    /// A uuid.
    Uuid(Uuid),
    /// Any text.
    Text(Box<str>),
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowId::Uuid(id) => id.fmt(f),
            RowId::Text(id) => f.write_str(id),
        }
    }
}

impl Serialize for RowId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
