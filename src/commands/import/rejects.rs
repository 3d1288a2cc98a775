//! Rows that are wrong, kept aside for whoever mends them.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::value::RawValue;

use super::row::{Place, Wrong};

/// A file of one JSON object per row. It is made when the first row comes; nothing is made without one.
pub(super) struct Rejects {
    path: PathBuf,
    /// One for all that is imported, or one next to each.
    is_given: bool,
    file: Option<BufWriter<File>>,
    kept: u64,
}

#[derive(Serialize)]
struct Line<'w> {
    file: &'w str,
    #[serde(flatten)]
    place: Place,
    because: &'w str,
    row: &'w RawValue,
}

impl Rejects {
    pub(super) fn new(given: Option<PathBuf>) -> Self {
        Rejects { is_given: given.is_some(), path: given.unwrap_or_default(), file: None, kept: 0 }
    }

    /// What follows is of another target.
    pub(super) fn begin(&mut self, target: &str) {
        self.kept = 0;
        if !self.is_given {
            (self.path, self.file) = (next_to(target), None);
        }
    }

    /// Keeps a row.
    ///
    /// # Errors
    /// When the file cannot be written, or is `file` itself, which holds the row.
    pub(super) fn keep(&mut self, file: &str, wrong: &Wrong) -> anyhow::Result<()> {
        self.write(file, wrong).with_context(|| format!("cannot keep rows aside in {}", self.path.display()))
    }

    /// Says what was kept of the target, if anything was.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn end(&mut self) -> anyhow::Result<Option<String>> {
        if let Some(file) = &mut self.file {
            file.flush().with_context(|| format!("cannot keep rows aside in {}", self.path.display()))?;
        }
        Ok((self.kept > 0).then(|| format!("rows kept aside in {}: {}", self.path.display(), self.kept)))
    }

    fn write(&mut self, name: &str, wrong: &Wrong) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None if self.path.canonicalize().is_ok_and(|path| path.as_os_str() == name) => {
                return Err(io::Error::other("that is what is imported"));
            }
            None => self.file.insert(BufWriter::new(File::create(&self.path)?)),
        };
        let Wrong { place, because, row } = wrong;
        serde_json::to_writer(&mut *file, &Line { file: name, place: *place, because, row })?;
        self.kept += 1;
        file.write_all(b"\n")
    }
}

/// A path beside a file or folder; in the current folder, for what is not on this machine.
fn next_to(target: &str) -> PathBuf {
    let path = target.strip_prefix("file://").unwrap_or(target).trim_end_matches('/');
    let name = match path {
        "-" => "stdin",
        url if url.contains("://") => url.rsplit('/').next().unwrap_or(url),
        path => path,
    };
    PathBuf::from(format!("{name}.rejects.ndjson"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_are_beside_what_they_are_of() {
        let cases = [
            ("in/orders.csv", "in/orders.csv.rejects.ndjson"),
            ("/in/orders/", "/in/orders.rejects.ndjson"),
            ("file:///in/orders.csv", "/in/orders.csv.rejects.ndjson"),
            ("gs://bucket/in/orders.csv.gz", "orders.csv.gz.rejects.ndjson"),
            ("-", "stdin.rejects.ndjson"),
        ];
        for (target, expected) in cases {
            assert_eq!(next_to(target), PathBuf::from(expected), "{target}");
        }
    }
}
