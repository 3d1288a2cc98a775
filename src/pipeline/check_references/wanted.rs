//! Which rows a batch needs, and which of them the cache knows.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use moka::sync::Cache;
use sqlx::Row as _;
use uuid::Uuid;

use crate::pipeline::Unavailable;

/// The ids of one table that a batch needs: those found in the cache, and those to be asked for.
pub(super) struct Wanted<'c, Id, V> {
    cache: &'c Cache<Id, Arc<V>>,
    known: HashMap<Id, Arc<V>>,
    unknown: BTreeSet<Id>,
}

/// The key of a reference table.
pub(super) trait RowKey: Clone + Ord + Hash + Send + Sync + 'static {
    /// Every spelling that a text column may hold.
    fn spellings(&self) -> Vec<String>;

    /// The key that a column holds, where it can be one.
    fn read(text: &str) -> Option<Self>;
}

impl RowKey for Uuid {
    fn spellings(&self) -> Vec<String> {
        vec![self.to_string(), self.to_string().to_uppercase()]
    }

    fn read(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok()
    }
}

impl RowKey for Box<str> {
    fn spellings(&self) -> Vec<String> {
        vec![self.to_string()]
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl<'c, Id: RowKey, V: Send + Sync + 'static> Wanted<'c, Id, V> {
    pub(super) fn new(cache: &'c Cache<Id, Arc<V>>) -> Self {
        Wanted { cache, known: HashMap::new(), unknown: BTreeSet::new() }
    }

    pub(super) fn want(&mut self, id: &Id) {
        if self.known.contains_key(id) {
            return;
        }
        match self.cache.get(id) {
            Some(value) => drop(self.known.insert(id.clone(), value)),
            None => drop(self.unknown.insert(id.clone())),
        }
    }

    /// Asks for the unknown ones.
    pub(super) async fn complete(
        mut self,
        ask: impl AsyncFnOnce(Vec<String>) -> sqlx::Result<Vec<sqlx::postgres::PgRow>>,
        read: impl Fn(&sqlx::postgres::PgRow) -> sqlx::Result<V>,
    ) -> Result<HashMap<Id, Arc<V>>, Unavailable> {
        if self.unknown.is_empty() {
            return Ok(self.known);
        }
        for row in ask(self.unknown.iter().flat_map(Id::spellings).collect()).await? {
            let Some(id) = Id::read(row.try_get(0)?) else { continue };
            let value = Arc::new(read(&row)?);
            self.cache.insert(id.clone(), Arc::clone(&value));
            self.known.insert(id, value);
        }
        Ok(self.known)
    }
}
