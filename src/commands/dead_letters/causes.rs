//! Fingerprints in words.

use std::collections::HashMap;

use sqlx::PgPool;

use super::plain::{beginning, plain};
use crate::dead_letters::Filter;
use crate::dead_letters::groups::{Group, groups};

/// More causes are told by their fingerprints alone.
const CAUSES: i64 = 1000;

/// What the fingerprints of some dead letters mean.
pub(super) struct Causes(HashMap<String, String>);

impl Causes {
    /// Those of all that match now.
    pub(super) async fn of(pool: &PgPool, filter: &Filter) -> sqlx::Result<Self> {
        let groups = groups(pool, filter, None, CAUSES).await?;
        let described = |group: Group| {
            let words = format!("{} {}: {}", group.kind, group.reason, cause(&group));
            (group.fingerprint, words)
        };
        Ok(Causes(groups.into_iter().map(described).collect()))
    }

    /// Kind, reason and what is wrong; nothing where that is not known.
    pub(super) fn describe(&self, fingerprint: &str) -> String {
        self.0.get(fingerprint).cloned().unwrap_or_default()
    }
}

/// The first thing that is wrong, and how many more are.
pub(super) fn cause(group: &Group) -> String {
    let Some(first) = group.causes.first() else { return "-".to_owned() };
    let more = match group.causes.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let place = if first.path.is_empty() { String::new() } else { format!(" {}", beginning(&first.path, 60)) };
    format!("{}{place}{more}", plain(&first.code))
}
