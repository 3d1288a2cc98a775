//! What is asked, and what of it cannot be.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How often products were viewed: per bucket of time, platform and product, in exactly these files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Every file with views of the period. Nothing else is looked at.
    pub files: Vec<File>,
    /// Views from then on count.
    pub start: DateTime<Utc>,
    /// Views from then on do not.
    pub end: DateTime<Utc>,
    /// Microseconds of a bucket; the first begins at `start`.
    pub bucket_us: i64,
    /// Only views of this product.
    pub product: Option<String>,
    /// Only views on this platform.
    pub platform: Option<String>,
    /// The most groups that are told.
    pub most: u64,
}

/// A file as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Relative to the address of the store.
    pub path: String,
    /// Size of the object.
    pub bytes: u64,
}

/// More files than many years have.
const FILES: usize = 100_000;
/// The longest path of an object.
const PATH_BYTES: usize = 1024;

impl Question {
    /// Whether it can be asked.
    ///
    /// # Errors
    /// What is wrong with it, for whoever asks.
    pub fn check(&self) -> Result<(), String> {
        if self.start > self.end {
            return Err(format!("start: {} is after the end, {}", self.start, self.end));
        }
        if self.last_us().checked_sub(self.first_us()).is_none() {
            return Err("start, end: the period is too long".to_owned());
        }
        if self.bucket_us < 1 {
            return Err(format!("bucket_us: {} is not positive", self.bucket_us));
        }
        if self.files.len() > FILES {
            return Err(format!("files: more than {FILES}"));
        }
        // What the files are cut by is their sum.
        let add = |sum: i64, file: &File| sum.checked_add(i64::try_from(file.bytes).ok()?);
        if self.files.iter().try_fold(0, add).is_none() {
            return Err("files: so many bytes no store has".to_owned());
        }
        let mut paths = HashSet::new();
        for File { path, .. } in &self.files {
            check(path).map_err(|why| format!("files: {path:?} {why}"))?;
            if !paths.insert(path) {
                return Err(format!("files: {path:?} stands there twice"));
            }
        }
        Ok(())
    }

    /// The first microsecond that counts, since 1970.
    pub(super) fn first_us(&self) -> i64 {
        next_us(self.start)
    }

    /// The first microsecond that does not count any more.
    pub(super) fn last_us(&self) -> i64 {
        next_us(self.end)
    }
}

/// The first whole microsecond that is not before an instant. Views have whole ones: for them, and for the buckets
/// that they are in, it is the same instant.
fn next_us(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros() + i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1000))
}

/// Whether a path leads to a file below the store.
fn check(path: &str) -> Result<(), &'static str> {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    match () {
        () if path.len() > PATH_BYTES => Err("is too long"),
        () if !path.split('/').all(is_name) => Err("does not lead to a file below the store"),
        () if path.contains(|character: char| character == '\\' || character.is_control()) => Err("is no path"),
        () if !path.ends_with(".parquet") => Err("is no Parquet file"),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question {
            files: vec![File { path: "platform=iOS/day=2016-01-03/1.parquet".to_owned(), bytes: 1 }],
            start: "2016-01-03T00:00:00Z".parse().unwrap(),
            end: "2016-01-04T00:00:00Z".parse().unwrap(),
            bucket_us: 1,
            product: None,
            platform: None,
            most: 1,
        }
    }

    #[test]
    fn a_path_stays_below_the_store() {
        assert_eq!(question().check(), Ok(()));
        for path in
            ["", "/", "/a.parquet", "../a.parquet", "a/../b.parquet", "./a.parquet", "a//b.parquet", "a/.parquet/", "a"]
        {
            let files = vec![File { path: path.to_owned(), bytes: 1 }];
            assert!(Question { files, ..question() }.check().is_err(), "{path}");
        }
    }

    #[test]
    fn sizes_do_not_overflow() {
        let file = |name: &str, bytes| File { path: format!("{name}.parquet"), bytes };
        for sizes in [[1 << 63, 0], [1 << 62, 1 << 62], [u64::MAX, 1]] {
            let files = vec![file("a", sizes[0]), file("b", sizes[1])];
            assert!(Question { files, ..question() }.check().unwrap_err().contains("bytes"));
        }
    }

    #[test]
    fn a_file_counts_once() {
        let files = [question().files, question().files].concat();
        assert!(Question { files, ..question() }.check().unwrap_err().contains("twice"));
    }

    #[test]
    fn no_period_overflows() {
        let (least, most) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        assert!(Question { start: least, end: most, ..question() }.check().is_err());
        assert!(Question { start: DateTime::UNIX_EPOCH, end: most, ..question() }.check().is_ok());
        assert!(Question { start: most, end: least, ..question() }.check().is_err());
        for bucket_us in [0, -1, i64::MIN] {
            assert!(Question { bucket_us, ..question() }.check().is_err());
        }
    }

    #[test]
    fn an_instant_between_microseconds_is_the_next_one() {
        let at = |text: &str| next_us(text.parse().unwrap());
        assert_eq!(at("1970-01-01T00:00:00.000001Z"), 1);
        assert_eq!(at("1970-01-01T00:00:00.000000001Z"), 1);
        assert_eq!(at("1969-12-31T23:59:59.9999985Z"), -1);
    }
}
