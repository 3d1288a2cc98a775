//! The order of rows in files.

use std::collections::HashMap;

use anyhow::ensure;
use datafusion::arrow::array::{AsArray as _, RecordBatch, StringArray, UInt32Array};

use super::write::{MICROS_OF_A_DAY, OCCURRED_AT, PLATFORM, PRODUCT, times};

/// The most rows that are sorted at once: their numbers, and those of their products, take 28 bits.
const ROWS: usize = 1 << 28;

/// The rows by platform, day, product and time; those that are equal in all of these in the order in which they came.
///
/// Each is one number: comparing those takes a tenth of what comparing columns does.
///
/// # Errors
/// When there are more than 2^28 of them.
pub(super) fn order(rows: &RecordBatch) -> anyhow::Result<UInt32Array> {
    ensure!(rows.num_rows() <= ROWS, "{} rows are too many to be sorted at once", rows.num_rows());
    let products = ranks(rows.column(PRODUCT).as_string());
    let platforms = ranks(rows.column(PLATFORM).as_string());
    let times = times(rows, OCCURRED_AT);
    let day = |micros: i64| micros.div_euclid(MICROS_OF_A_DAY);
    let first = times.iter().copied().min().map_or(0, day);
    let days: Vec<u64> = times.iter().map(|at| day(*at).abs_diff(first)).collect();
    let many = days.iter().max().map_or(1, |last| last + 1);
    let key = |row: usize| {
        let part = u128::from(platforms[row]) * u128::from(many) + u128::from(days[row]);
        let time = times[row].rem_euclid(MICROS_OF_A_DAY).unsigned_abs();
        ((part << 28 | u128::from(products[row])) << 37 | u128::from(time)) << 28 | row as u128
    };
    let mut keys: Vec<u128> = (0..rows.num_rows()).map(key).collect();
    keys.sort_unstable();
    Ok(keys.into_iter().map(|key| (key & (ROWS as u128 - 1)) as u32).collect())
}

/// The place of each text among all of them, sorted.
fn ranks(texts: &StringArray) -> Vec<u32> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let numbered: Vec<u32> = texts
        .iter()
        .map(|text| {
            let next = numbers.len() as u32;
            *numbers.entry(text.unwrap_or_default()).or_insert(next)
        })
        .collect();
    let mut sorted: Vec<(&str, u32)> = numbers.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    for (rank, (_, number)) in (0..).zip(sorted) {
        ranks[number as usize] = rank;
    }
    numbered.into_iter().map(|number| ranks[number as usize]).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use datafusion::arrow::compute::{SortColumn, lexsort_to_indices, take};
    use std::sync::Arc;
    use uuid::Uuid;

    use super::*;
    use crate::views::{Rows, View};

    #[test]
    fn it_is_that_of_the_columns() {
        let mut rows = Rows::default();
        for number in 0..5_000_u64 {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let occurred_at = (mixed >> 20) as i64 % (9 * MICROS_OF_A_DAY) - 3 * MICROS_OF_A_DAY;
            let view = View {
                id: Uuid::from_u128(number.into()),
                occurred_at,
                received_at: 0,
                platform: ["iOS", "Android", "kiosk"][mixed as usize % 3],
                product: &format!("{}", mixed % 97),
                mpid: None,
                session_id: None,
                event_id: None,
            };
            rows.push(view).unwrap();
        }
        let rows = rows.take().unwrap();
        let days: Int64Array = times(&rows, OCCURRED_AT).iter().map(|at| at.div_euclid(MICROS_OF_A_DAY)).collect();
        let by: [ArrayRef; 4] = [
            Arc::clone(rows.column(PLATFORM)),
            Arc::new(days),
            Arc::clone(rows.column(PRODUCT)),
            Arc::clone(rows.column(OCCURRED_AT)),
        ];
        let columns = by.each_ref().map(|values| SortColumn { values: Arc::clone(values), options: None });
        let expected = lexsort_to_indices(&columns, None).unwrap();
        let order = order(&rows).unwrap();
        assert_eq!(order.len(), expected.len());
        for column in &by {
            assert_eq!(&take(column, &order, None).unwrap(), &take(column, &expected, None).unwrap());
        }
    }
}
