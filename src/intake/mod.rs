//! Message in: Pub/Sub, HTTP and files all hand over the same [`Delivery`].

pub mod delivery;
pub mod files;
pub mod http;
pub mod pubsub;

pub use delivery::{Delivery, Origin, Receipt, Replays, Source};
