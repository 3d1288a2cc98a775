//! One record of a file, and the bounded memory that it is gathered in.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::intake::delivery::TooLarge;

/// A record as it stands in its file, without the white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Its bytes.
    Whole(Bytes),
    /// It is larger than the limit and was not kept.
    TooLarge(TooLarge),
}

impl Record {
    /// How many of its bytes are held.
    #[must_use]
    pub fn kept(&self) -> usize {
        match self {
            Record::Whole(bytes) => bytes.len(),
            Record::TooLarge(_) => 0,
        }
    }

    /// The payload of its delivery, empty where the record stays in its file, and what is known of it then.
    #[must_use]
    pub fn into_payload(self) -> (Bytes, Option<TooLarge>) {
        match self {
            Record::Whole(bytes) => (bytes, None),
            Record::TooLarge(large) => (Bytes::new(), Some(large)),
        }
    }
}

/// Gathers a record. Holds at most twice the limit, however large the record is.
pub(super) struct Gathering {
    limit: usize,
    kept: Vec<u8>,
    /// Takes over from `kept` at the limit.
    hashed: Option<(Sha256, u64)>,
    /// White space that belongs to the record only if more of it follows.
    spaces: Vec<u8>,
}

impl Gathering {
    pub(super) fn new(limit: usize) -> Self {
        Gathering { limit, kept: Vec::new(), hashed: None, spaces: Vec::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let significant = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        if significant > 0 {
            self.append_spaces();
            self.append(&bytes[..significant]);
        }
        self.spaces.extend_from_slice(&bytes[significant..]);
        if self.spaces.len() > self.limit {
            self.append_spaces();
        }
    }

    /// The record, unless nothing but white space was gathered. Ready for the next one.
    pub(super) fn take(&mut self) -> Option<Record> {
        self.spaces.clear();
        let kept = std::mem::take(&mut self.kept);
        match self.hashed.take() {
            Some((hash, bytes)) => Some(Record::TooLarge(TooLarge { bytes, sha256: hash.finalize().into() })),
            None if kept.is_empty() => None,
            None => Some(Record::Whole(kept.into())),
        }
    }

    fn append_spaces(&mut self) {
        let mut spaces = std::mem::take(&mut self.spaces);
        self.append(&spaces);
        spaces.clear();
        self.spaces = spaces;
    }

    fn append(&mut self, bytes: &[u8]) {
        match &mut self.hashed {
            Some((hash, count)) => {
                hash.update(bytes);
                *count += bytes.len() as u64;
            }
            None if self.kept.len() + bytes.len() <= self.limit => self.kept.extend_from_slice(bytes),
            None => {
                let kept = std::mem::take(&mut self.kept);
                let hash = Sha256::new().chain_update(&kept).chain_update(bytes);
                self.hashed = Some((hash, (kept.len() + bytes.len()) as u64));
            }
        }
    }
}

/// White space as JSON has it.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(limit: usize, parts: &[&str]) -> Option<Record> {
        let mut gathering = Gathering::new(limit);
        parts.iter().for_each(|part| gathering.push(part.as_bytes()));
        gathering.take()
    }

    #[test]
    fn white_space_at_the_end_is_no_part_of_a_record() {
        assert_eq!(gather(9, &["a ", " b", " \r", "\n"]), Some(Record::Whole("a  b".into())));
        assert_eq!(gather(9, &[" ", "\n"]), None);
    }

    #[test]
    fn what_is_too_large_is_counted_and_hashed_however_it_arrives() {
        let large = TooLarge { bytes: 10, sha256: Sha256::digest("0123456789").into() };
        for parts in [&["0123456789"][..], &["012345678", "9"], &["0", "12345678", "9", "   "]] {
            assert_eq!(gather(9, parts), Some(Record::TooLarge(large)), "{parts:?}");
        }
        assert_eq!(gather(10, &["0123456789", " "]), Some(Record::Whole("0123456789".into())));
    }
}
