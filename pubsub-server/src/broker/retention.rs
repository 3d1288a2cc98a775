//! The bound on memory: messages and bytes that are kept until every subscription acknowledged them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Retention {
    max_messages: usize,
    max_bytes: usize,
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// The part of the limit that one message takes; dropping it gives the part back.
pub(crate) struct Space {
    retention: Arc<Retention>,
    bytes: usize,
}

/// What did not fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    max_messages: usize,
    max_bytes: usize,
}

impl Retention {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { max_messages, max_bytes, messages: AtomicUsize::new(0), bytes: AtomicUsize::new(0) })
    }

    /// Room for all of `sizes` or for none of them.
    pub(crate) fn reserve(self: &Arc<Self>, sizes: &[usize]) -> Result<Vec<Space>, Full> {
        let spaces: Vec<Space> =
            sizes.iter().map(|bytes| Space { retention: Arc::clone(self), bytes: *bytes }).collect();
        let bytes: usize = sizes.iter().sum();
        // Taken before it is checked, so that two publishers cannot both see the last free place.
        let messages = self.messages.fetch_add(sizes.len(), Ordering::Relaxed) + sizes.len();
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if messages > self.max_messages || bytes > self.max_bytes {
            return Err(Full { max_messages: self.max_messages, max_bytes: self.max_bytes });
        }
        Ok(spaces)
    }

    pub(crate) fn messages(&self) -> usize {
        self.messages.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.retention.messages.fetch_sub(1, Ordering::Relaxed);
        self.retention.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the retention limit of {} messages / {} bytes that no subscription has acknowledged yet is reached: \
             acknowledge some, or raise --max-messages / --max-bytes (Config::max_messages, Config::max_bytes)",
            self.max_messages, self.max_bytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing_and_room_comes_back() {
        let retention = Retention::new(3, 100);
        let kept = retention.reserve(&[10, 10]).unwrap();
        assert!(retention.reserve(&[10, 10]).is_err());
        assert_eq!((retention.messages(), retention.bytes()), (2, 20));
        assert!(retention.reserve(&[81]).is_err(), "bytes are limited too");
        drop(kept);
        assert_eq!((retention.messages(), retention.bytes()), (0, 0));
        assert!(retention.reserve(&[10, 10, 80]).is_ok());
    }

    #[test]
    fn the_error_says_the_limit_and_how_to_raise_it() {
        let text = Retention::new(3, 100).reserve(&[101]).err().unwrap().to_string();
        for part in ["3 messages", "100 bytes", "--max-messages", "--max-bytes"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
