//! Where a list goes on: the key of the last item of a page, as text that means nothing to its reader.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Query;

impl Query {
    /// `cursor`: the key behind which a page begins.
    pub(crate) fn cursor<K: DeserializeOwned>(&mut self, is_key: impl FnOnce(&K) -> bool) -> Option<K> {
        self.read("cursor", "the next of another page, as it came", |text| read(text).filter(is_key))
    }
}

/// Writes down the key of the last item of a page.
pub(crate) fn write_cursor(key: &impl Serialize) -> Option<String> {
    serde_json::to_vec(key).ok().map(|json| BASE64_URL_SAFE_NO_PAD.encode(json))
}

fn read<K: DeserializeOwned>(text: &str) -> Option<K> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(key in any::<(i64, String)>()) {
            let text = write_cursor(&key).unwrap();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{}", text);
            prop_assert_eq!(read(&text), Some(key));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = read::<(i64, String)>(&text);
        }
    }
}
