//! What is derived of rows, and how it is compared with them: see [`crate::verify`].

use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::PgConnection;

/// Something that stands in the database and could be computed anew from rows: written in the transactions
/// that write those, so that it agrees with them after every commit.
#[derive(Debug)]
pub struct Derived {
    /// The word for it.
    pub name: &'static str,
    /// The tables that hold it.
    pub tables: &'static [&'static str],
    /// A query for where to cut it into slices, as text and in order, so that each statement is short: what
    /// grows without end is never read in one long snapshot. `None`: it can only be compared as a whole.
    pub cuts: Option<&'static str>,
    /// A statement that keeps writers out while it is mended, where a difference cannot be added to what
    /// they write meanwhile.
    pub hold: Option<&'static str>,
    /// How a slice is compared, and mended.
    pub comparison: Comparison,
}

/// How a slice is compared with its rows: in one statement, because between two of them a writer may commit.
#[derive(Debug)]
pub enum Comparison {
    /// In SQL.
    Sql {
        /// A query for [`Difference`]s, and for what `mend` needs to know of them. Where there are cuts, `$1`
        /// and `$2` are the ends of the slice as text, null where it has none.
        differences: &'static str,
        /// Statements of a `WITH` that mend what `difference`, the query above, has found, in its snapshot.
        mend: &'static str,
    },
    /// In the program.
    Code {
        /// Reads rows and what is derived of them in one statement, and compares.
        differences: Differences,
        /// Mends a slice, and says what it mended.
        mend: Differences,
    },
}

/// The differences of a slice.
pub type Differences = for<'a> fn(&'a mut PgConnection, &'a Slice) -> BoxFuture<'a, sqlx::Result<Vec<Difference>>>;

/// A part of what is compared: what is before the first, or behind the last of the cuts has no end.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Where it begins, itself included.
    pub from: Option<String>,
    /// Where it ends, itself not included.
    pub to: Option<String>,
}

/// Two things that should agree, and do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Difference {
    /// Which table or object differs.
    pub what: String,
    /// Where in it: a period, a key, a line.
    pub place: String,
    /// What the rows say.
    pub expected: String,
    /// What stands there.
    pub found: String,
}
