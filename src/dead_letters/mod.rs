//! Dead letters after their birth: from the database, where a rejecting transaction leaves them
//! (see [`crate::pipeline::dead_letter`]), to the blob store, where reviewers find them.

mod filter;
pub mod groups;
pub mod records;
mod segments;
mod ship;

pub use crate::pipeline::dead_letter::{FOLDER, Status, close};
pub use filter::Filter;
pub use ship::{Shipper, ship_until_stopped};
