//! What makes two events with one id the same: equal normalised wire fields.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The first half of a SHA-256 over an event's normalised wire fields.
pub type ContentHash = [u8; 16];

/// Stands for the content of an event whose person was forgotten, or that is stored elsewhere: equal to any, so that
/// whatever comes under its key is a duplicate, and nothing of the person comes back.
pub const FORGOTTEN: ContentHash = [0xff; 16];

/// Whether what is stored under a key is this content.
#[must_use]
pub fn is_stored_as(stored: ContentHash, content: ContentHash) -> bool {
    stored == content || stored == FORGOTTEN
}

/// Makes a [`ContentHash`]. Every field is written with its width, its length or its presence, so that no
/// two lists of fields are written alike.
#[derive(Debug)]
pub struct ContentHasher(Sha256);

impl ContentHasher {
    /// Begins with the version of the rules by which the fields are normalised.
    #[must_use]
    pub fn new(version: i16) -> Self {
        ContentHasher(Sha256::new_with_prefix(version.to_be_bytes()))
    }

    /// Adds a uuid.
    pub fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.0.update(id);
        self
    }

    /// Adds an instant, to the microsecond.
    pub fn instant(&mut self, instant: DateTime<Utc>) -> &mut Self {
        self.0.update(instant.timestamp_micros().to_be_bytes());
        self
    }

    /// Adds a whole number.
    pub fn whole(&mut self, number: i32) -> &mut Self {
        self.0.update(number.to_be_bytes());
        self
    }

    /// Adds a truth value.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.0.update([u8::from(value)]);
        self
    }

    /// Adds an amount; `1.5` and `1.50` are the same.
    pub fn decimal(&mut self, number: Decimal) -> &mut Self {
        self.text(&number.normalize().to_string())
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
        self
    }

    /// Adds what may be absent.
    pub fn optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T) -> &mut Self) -> &mut Self {
        self.boolean(value.is_some());
        match value {
            Some(value) => add(self, value),
            None => self,
        }
    }

    /// The hash of all that was added.
    #[must_use]
    pub fn finish(self) -> ContentHash {
        let mut half = ContentHash::default();
        half.copy_from_slice(&self.0.finalize()[..16]);
        half
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(add: impl FnOnce(&mut ContentHasher) -> &mut ContentHasher) -> ContentHash {
        let mut hasher = ContentHasher::new(1);
        add(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let together = hash(|hasher| hasher.text("ab").text("c"));
        assert_ne!(together, hash(|hasher| hasher.text("a").text("bc")));
        let absent = hash(|hasher| hasher.optional(None, ContentHasher::text));
        assert_ne!(absent, hash(|hasher| hasher.optional(Some(""), ContentHasher::text)));
    }

    #[test]
    fn equal_amounts_hash_alike() {
        let of = |text: &str| hash(|hasher| hasher.decimal(text.parse().unwrap()));
        assert_eq!(of("1.50"), of("1.5"));
        assert_ne!(of("1.50"), of("15"));
    }
}
