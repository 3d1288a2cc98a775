//! Order per key: while deliveries of a key are outstanding, its later messages wait here.

use std::collections::{HashMap, HashSet, VecDeque};

use super::book::{Item, Lease};

#[derive(Default)]
pub(crate) struct KeyGate {
    batch: u64,
    keys: HashMap<String, Key>,
}

#[derive(Default)]
struct Key {
    outstanding: usize,
    /// The batch that opened the key: it may carry several messages of it, in order.
    opened_by: u64,
    parked: VecDeque<Item>,
}

impl KeyGate {
    pub(crate) fn next_batch(&mut self) {
        self.batch += 1;
    }

    /// The item if it may be delivered in this batch; otherwise it is parked. No key, no order.
    pub(crate) fn admit(&mut self, item: Item) -> Option<Item> {
        if item.message.ordering_key.is_empty() {
            return Some(item);
        }
        let batch = self.batch;
        let key = self
            .keys
            .entry(item.message.ordering_key.clone())
            .or_insert_with(|| Key { opened_by: batch, ..Key::default() });
        if key.opened_by == batch {
            key.outstanding += 1;
            return Some(item);
        }
        key.parked.push_back(item);
        None
    }

    /// Counts an acknowledgement; the last one of a key frees what waited behind it.
    pub(crate) fn finish(&mut self, key: &str) -> VecDeque<Item> {
        let Some(state) = self.keys.get_mut(key) else { return VecDeque::new() };
        state.outstanding = state.outstanding.saturating_sub(1);
        if state.outstanding > 0 { VecDeque::new() } else { self.reset(key) }
    }

    /// Forgets the key and frees what waited.
    pub(crate) fn reset(&mut self, key: &str) -> VecDeque<Item> {
        self.keys.remove(key).map(|state| state.parked).unwrap_or_default()
    }

    pub(crate) fn keys_of<'a>(&self, leases: impl Iterator<Item = &'a Lease>) -> HashSet<String> {
        leases.map(|lease| lease.item.message.ordering_key.clone()).filter(|key| self.keys.contains_key(key)).collect()
    }

    pub(crate) fn parked(&self) -> usize {
        self.keys.values().map(|key| key.parked.len()).sum()
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.keys.values().flat_map(|key| &key.parked)
    }
}
