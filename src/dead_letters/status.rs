//! What has become of a dead letter.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::pipeline::verdict::closed_set;

closed_set! {
    /// What has become of a dead letter. What is closed stays closed.
    Status {
        /// Nothing yet: it can be replayed, heal or be discarded.
        Open = "open",
        /// Somebody replayed it, and its event is stored.
        Replayed = "replayed",
        /// What it waited for came, and its event is stored.
        Healed = "healed",
        /// Somebody said that it is not wanted.
        Discarded = "discarded",
        /// It was kept as long as it was to be kept.
        Expired = "expired",
        /// It was a person's data, and that person is forgotten.
        Forgotten = "forgotten",
    }
}
