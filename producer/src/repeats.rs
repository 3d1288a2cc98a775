//! Messages that are sent twice, as by a publisher whose answer got lost.

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::dice::{Stream, draw};
use crate::message::Message;

/// One message in so many is followed by an older one, sent again.
const REPEATED: u32 = 100;
/// How old it is at the most, in messages.
const OLD: usize = 50;

/// Remembers the latest messages of one kind.
pub(crate) struct Repeats {
    rng: ChaCha8Rng,
    latest: VecDeque<Message>,
}

impl Repeats {
    pub(crate) fn new(seed: u64) -> Repeats {
        Repeats { rng: draw(seed, Stream::Repeats), latest: VecDeque::with_capacity(OLD) }
    }

    /// What is sent again after `message`, as a rule nothing: the same bytes and attributes, and
    /// nothing to write down.
    pub(crate) fn after(&mut self, message: &Message) -> Option<Message> {
        if self.latest.len() == OLD {
            self.latest.pop_front();
        }
        self.latest.push_back(Message { file: None, entries: Vec::new(), ..message.clone() });
        let repeats = self.rng.random_range(0..REPEATED) == 0;
        repeats.then(|| self.latest[self.rng.random_range(0..self.latest.len())].clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::kinds::{Kind, Run};
    use crate::shop::Shop;

    #[test]
    fn one_message_in_a_hundred_comes_again_as_it_was() {
        let shop = Arc::new(Shop::open(1, 10, 10));
        let run = Run { seed: 1, invalid_ratio: 0.15, starting_at: None };
        let (mut repeats, mut sent, mut again) = (Repeats::new(1), HashSet::new(), 0);
        for message in Kind::named("order").unwrap().messages(&shop, run).take(5_000) {
            sent.insert(message.payload.clone());
            if let Some(repeated) = repeats.after(&message) {
                assert!(sent.contains(&repeated.payload));
                assert!(repeated.entries.is_empty());
                again += 1;
            }
        }
        assert!((25..=80).contains(&again), "{again}");
    }
}
