//! What a file holds for a table, without a database to load it into.

use std::io::{self, Read};

use chrono_tz::Tz;

use super::layout::{ARTICLES, Layout, ORDER_ITEMS, ORDERS, SHOPPERS, USERS};
use super::read::Reading;
use super::row::{Place, Wrong};
use crate::shutdown::Shutdown;

static LAYOUTS: [&Layout; 5] = [&USERS, &ARTICLES, &SHOPPERS, &ORDERS, &ORDER_ITEMS];

/// The tables that can be imported.
pub const TABLES: [&str; 5] = ["users", "articles", "shoppers", "orders", "order_items"];

/// One value for each column of a table, the key first; the outer is absent when a row does not speak of the
/// column.
pub type Values = Vec<Option<Option<String>>>;

/// A row that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongRow {
    /// Its line in a CSV file, its number in a JSON file, from 1.
    pub place: u64,
    /// Which column is wrong, and how.
    pub because: String,
    /// The row as JSON.
    pub row: String,
}

/// The rows of a file, each as it would be loaded into `table`, or as it would be left out.
///
/// # Errors
/// When the file cannot be read to its end, lacks a column, or there is no such table.
pub fn read_rows(table: &str, file: impl Read, zone: Tz) -> io::Result<Vec<Result<Values, WrongRow>>> {
    let layout = LAYOUTS.into_iter().find(|layout| layout.table == table);
    let layout = layout.ok_or_else(|| io::Error::other(format!("there is no table {table} to import into")))?;
    let reading = Reading { layout, zone, shutdown: Shutdown::default() };
    let mut rows = Vec::new();
    reading.read(file, |chunk| {
        rows.extend(chunk.into_iter().map(|row| row.map(|row| row.values).map_err(WrongRow::from)));
        Ok(())
    })?;
    Ok(rows)
}

impl From<Wrong> for WrongRow {
    fn from(Wrong { place, because, row }: Wrong) -> Self {
        let (Place::Line(place) | Place::Record(place)) = place;
        WrongRow { place, because, row: row.get().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_known_by_its_name() {
        assert_eq!(LAYOUTS.map(|layout| layout.table), TABLES);
        assert!(read_rows("batches", &b""[..], Tz::UTC).is_err());
    }
}
