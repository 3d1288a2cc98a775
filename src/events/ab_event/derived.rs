//! What is derived of events of an A/B test. None of it has a time or a key to cut it by: each is compared as a
//! whole. Users come first, because everything else counts them.

use crate::events::{Comparison, Derived};

/// Nobody stores or moves events while it is mended: which versions a user has seen, and when the first event
/// happened, are no sums that a difference could be added to.
const HOLD: Option<&str> = Some("LOCK TABLE ab_events IN SHARE MODE");

pub(super) const DERIVED: &[Derived] = &[
    Derived {
        name: "ab_users",
        tables: &["ab_users"],
        cuts: None,
        hold: HOLD,
        comparison: Comparison::Sql {
            differences: include_str!("derived/users.sql"),
            mend: include_str!("derived/mend_users.sql"),
        },
    },
    Derived {
        name: "ab_split",
        tables: &["ab_split"],
        cuts: None,
        hold: HOLD,
        comparison: Comparison::Sql {
            differences: include_str!("derived/split.sql"),
            mend: include_str!("derived/mend_split.sql"),
        },
    },
    Derived {
        name: "ab_audience",
        tables: &["ab_audience"],
        cuts: None,
        hold: HOLD,
        comparison: Comparison::Sql {
            differences: include_str!("derived/audience.sql"),
            mend: include_str!("derived/mend_audience.sql"),
        },
    },
];
