//! Flow control: how much a consumer may hold unacknowledged.

use super::book::Allowance;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    max_messages: usize,
    max_bytes: usize,
    messages: usize,
    bytes: usize,
}

impl Window {
    /// Limits of zero or less mean no limit, as in the protocol.
    pub(crate) fn new(max_messages: i64, max_bytes: i64) -> Self {
        Self { max_messages: limit(max_messages), max_bytes: limit(max_bytes), messages: 0, bytes: 0 }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.messages < self.max_messages && self.bytes < self.max_bytes
    }

    /// What fits, within the given size of one response. A message larger than all of the window goes
    /// out alone.
    pub(crate) fn allowance(&self, response_messages: usize, response_bytes: usize) -> Allowance {
        let room = self.max_bytes.saturating_sub(self.bytes);
        Allowance {
            messages: self.max_messages.saturating_sub(self.messages).min(response_messages),
            bytes: room.min(response_bytes),
            first: if self.messages == 0 { usize::MAX } else { room },
        }
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn limit(value: i64) -> usize {
    if value <= 0 { usize::MAX } else { usize::try_from(value).unwrap_or(usize::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_is_left_of_both_limits() {
        let mut window = Window::new(3, 100);
        window.take(60);
        let allowance = window.allowance(1000, 4000);
        assert_eq!((allowance.messages, allowance.bytes, allowance.first), (2, 40, 40));
        window.take(40);
        assert!(!window.has_room(), "bytes are used up");
        window.give_back(60);
        assert!(window.has_room());
    }

    #[test]
    fn no_limit_still_keeps_responses_small() {
        let allowance = Window::new(0, -1).allowance(1000, 4000);
        assert_eq!((allowance.messages, allowance.bytes, allowance.first), (1000, 4000, usize::MAX));
    }
}
