//! What is derived of dead letters, whatever their kind.

use crate::events::{Comparison, Derived};

pub(super) const DERIVED: &[Derived] = &[
    Derived {
        name: "rejections",
        tables: &["rejections"],
        cuts: Some(
            "SELECT date_trunc('day', starts_at, 'UTC')::text FROM rejections GROUP BY date_trunc('day', starts_at, 'UTC') ORDER BY date_trunc('day', starts_at, 'UTC')",
        ),
        hold: None,
        comparison: Comparison::Sql {
            differences: include_str!("rejections.sql"),
            mend: include_str!("mend_rejections.sql"),
        },
    },
    Derived {
        name: "waiting",
        tables: &["waiting"],
        cuts: None,
        hold: None,
        comparison: Comparison::Sql {
            differences: include_str!("waiting.sql"),
            mend: include_str!("mend_waiting.sql"),
        },
    },
];
