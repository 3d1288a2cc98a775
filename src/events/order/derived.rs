//! What is derived of the lines of orders.

use crate::events::{Comparison, Derived};

pub(super) const DERIVED: &[Derived] = &[Derived {
    name: "order_lines",
    tables: &["order_event_items"],
    cuts: Some(include_str!("derived/orders.sql")),
    hold: None,
    comparison: Comparison::Sql {
        differences: include_str!("derived/lines.sql"),
        mend: include_str!("derived/mend.sql"),
    },
}];
