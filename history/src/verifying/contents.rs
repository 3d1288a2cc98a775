//! A file, by itself: what the catalog says of it, and what readers rely on.

use anyhow::Context as _;
use chrono::DateTime;
use datafusion::arrow::array::{AsArray as _, RecordBatch};
use futures::TryStreamExt as _;
use purser::events::Difference;
use uuid::Uuid;

use super::difference;
use crate::catalog::File;
use crate::moving::midnight;
use crate::reading::{Reader, ids, times};
use crate::views::{MICROS_OF_A_DAY, schema};

/// What is seen of a file while it is read.
#[derive(Default)]
struct Seen {
    rows: i64,
    ids: u128,
    /// Earliest and latest.
    times: Option<(i64, i64)>,
    of_other_days: u64,
    of_other_platforms: u64,
    out_of_order: u64,
    last: Option<(String, i64)>,
}

/// Reads all of a file, and says what is wrong with it.
pub(super) async fn differences(reader: &Reader, file: &File) -> anyhow::Result<Vec<Difference>> {
    let schema = schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut read = reader.read(file, &columns).await?;
    let mut seen = Seen::default();
    while let Some(rows) = read.try_next().await? {
        seen.see(&rows, file)?;
    }
    Ok(seen.differences(file))
}

impl Seen {
    fn see(&mut self, rows: &RecordBatch, file: &File) -> anyhow::Result<()> {
        let text = |column: &str| rows.column_by_name(column).and_then(|texts| texts.as_string_opt::<i32>());
        let (platforms, products) = text("platform").zip(text("product")).context("no texts")?;
        self.rows += i64::try_from(rows.num_rows())?;
        self.ids = ids(rows)?.fold(self.ids, |all, id| all ^ id);
        let midnight = midnight(file.day).timestamp_micros();
        for (row, at) in times(rows, "occurred_at")?.iter().copied().enumerate() {
            self.times = Some(self.times.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
            self.of_other_days += u64::from(!(midnight..midnight + MICROS_OF_A_DAY).contains(&at));
            self.of_other_platforms += u64::from(platforms.value(row) != file.platform);
            let before = match row {
                0 => self.last.as_ref().map(|(product, at)| (product.as_str(), *at)),
                _ => Some((products.value(row - 1), times(rows, "occurred_at")?[row - 1])),
            };
            self.out_of_order += u64::from(before > Some((products.value(row), at)));
        }
        if let Some((last, at)) = times(rows, "occurred_at")?.iter().enumerate().next_back() {
            self.last = Some((products.value(last).to_owned(), *at));
        }
        Ok(())
    }

    fn differences(&self, file: &File) -> Vec<Difference> {
        let noted = (file.first_at.timestamp_micros(), file.last_at.timestamp_micros());
        let none = |what: &str, views: u64| (format!("no views {what}"), format!("{views}"), views == 0);
        let checks = [
            (format!("{} views", file.rows), format!("{}", self.rows), file.rows == self.rows),
            (
                format!("ids that make {}", file.ids),
                Uuid::from_u128(self.ids).to_string(),
                file.ids.as_u128() == self.ids,
            ),
            (span(noted), self.times.map_or_else(String::new, span), self.times == Some(noted)),
            none("of other days", self.of_other_days),
            none("of other platforms", self.of_other_platforms),
            none("out of order", self.out_of_order),
        ];
        let wrong = checks.into_iter().filter(|(_, _, agrees)| !agrees);
        wrong.map(|(expected, found, _)| difference(&file.path, expected, found)).collect()
    }
}

fn span((first, last): (i64, i64)) -> String {
    let at = |micros: i64| {
        DateTime::from_timestamp_micros(micros).map_or_else(|| micros.to_string(), |at| format!("{at:?}"))
    };
    format!("{} to {}", at(first), at(last))
}
