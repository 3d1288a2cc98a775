//! What has become of a dead letter since it was born.

use crate::pipeline::closed_set::closed_set;

closed_set! {
    /// Where a dead letter stands.
    Status {
        /// Nothing has been done about it yet.
        Open = "open",
        /// A reviewer tried it again, and its event is stored.
        Replayed = "replayed",
        /// The rows it waited for appeared, and its event is stored.
        Healed = "healed",
        /// Somebody decided, and said why, that its event is not wanted.
        Discarded = "discarded",
        /// It was kept for as long as it was to be kept.
        Expired = "expired",
        /// The person whom it was about is forgotten.
        Forgotten = "forgotten",
    }
}
