//! Records out of files: json arrays, ndjson, concatenated or pretty-printed json, one object per
//! file, or csv, as they are or compressed, from a disk, a web server or a bucket.
//!
//! The way of a byte: `source` (where it is read) → `decompress` → `form` (json or csv) → `read` →
//! `scanner` or `csv` (where a record begins and ends) → [`Record`]. [`ingest()`] sends the records into the pipeline and remembers, in
//! `ingested_files`, how far it came.

mod content;
mod csv;
mod decompress;
mod form;
mod ingest;
pub mod ingested;
mod progress;
mod read;
mod record;
mod scanner;
mod source;
mod structure;
mod summary;

pub use content::Content;
pub use decompress::decompressed;
pub use form::{Csv, Form};
pub use ingest::{Ingestion, Reporter, ingest};
pub use progress::Counts;
pub use read::{Contents, Kept, Records, read_records};
pub use record::Record;
pub use source::{Object, list};
pub use summary::{Again, Summary};
