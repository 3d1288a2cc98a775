//! What is derived of purchases.

use crate::events::{Comparison, Derived};

/// Hours and days are compared with the rows; months, which would be long to add up, with their days.
pub(super) const DERIVED: &[Derived] = &[
    Derived {
        name: "sales",
        tables: &["sales_by_state", "sales_by_article", "sales_over_time"],
        cuts: Some(include_str!("derived/days.sql")),
        hold: None,
        comparison: Comparison::Sql {
            differences: include_str!("derived/sales.sql"),
            mend: include_str!("derived/mend.sql"),
        },
    },
    Derived {
        name: "sales_by_month",
        tables: &["sales_by_state", "sales_by_article", "sales_over_time"],
        cuts: Some(include_str!("derived/months.sql")),
        hold: None,
        comparison: Comparison::Sql {
            differences: include_str!("derived/sales_by_month.sql"),
            mend: include_str!("derived/mend.sql"),
        },
    },
];
