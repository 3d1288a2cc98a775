//! A product view as a row of a Parquet file.
//!
//! Every view keeps all that `product_views` has of it. Within a file rows are sorted by product, then by time: a
//! question about one product reads a few pages.

mod order;
mod rows;
mod write;

pub use rows::{Rows, View, schema};
pub(crate) use write::MICROS_OF_A_DAY;
pub use write::{Part, Writer, parts};
