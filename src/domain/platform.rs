//! The platforms of a shop: where a product is viewed or bought.

use std::borrow::Cow;
use std::fmt;

/// The platform of a product view or an order, in its canonical spelling: `iOS`, `Android` and `MobileWeb`
/// so, every other in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform(Cow<'static, str>);

/// The platforms that the name of a folder or file can tell.
const KNOWN: [&str; 3] = ["iOS", "Android", "MobileWeb"];
/// The most characters of a name.
const CHARS: usize = 32;

impl Platform {
    /// Reads a platform, in any case: 1 to 32 ASCII letters, digits, `-` and `_`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Platform> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let right = (1..=CHARS).contains(&text.len()) && text.bytes().all(is_word);
        right.then(|| known(text).unwrap_or_else(|| Platform(text.to_ascii_lowercase().into())))
    }

    /// The canonical spelling of what need not be one: what the shop wrote beside an order.
    #[must_use]
    pub fn canonical(text: &str) -> Cow<'_, str> {
        match known(text) {
            Some(Platform(known)) => known,
            None if text.bytes().any(|byte| byte.is_ascii_uppercase()) => text.to_ascii_lowercase().into(),
            None => text.into(),
        }
    }

    /// The platform that a path or URL tells: by the beginning of the file's name (`MobileWeb_20160201.json`),
    /// or else by the innermost folder that is named after one.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Platform> {
        let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
        let end = file.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(file.len());
        known(&file[..end]).or_else(|| folders.rsplit('/').find_map(known))
    }

    /// Its canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn known(text: &str) -> Option<Platform> {
    KNOWN.iter().find(|known| known.eq_ignore_ascii_case(text)).map(|known| Platform(Cow::Borrowed(known)))
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spelling_is_canonical() {
        for (text, expected) in [
            ("ios", Some("iOS")),
            ("ANDROID", Some("Android")),
            ("mobileWeb", Some("MobileWeb")),
            ("Desktop", Some("desktop")),
            ("smart-tv_2", Some("smart-tv_2")),
            ("", None),
            ("i OS", None),
            ("ioS\0", None),
            ("tévé", None),
            (&"x".repeat(33), None),
        ] {
            assert_eq!(Platform::parse(text).as_ref().map(Platform::as_str), expected, "{text:?}");
        }
    }

    #[test]
    fn a_path_tells_by_its_file_or_its_innermost_folder() {
        for (path, expected) in [
            ("/data/iOS/2016/02/01.json.gz", Some("iOS")),
            ("gs://bucket/views/android/part-0", Some("Android")),
            ("/data/MobileWeb_productEvent_20160201.json.gz", Some("MobileWeb")),
            ("mobileweb.json", Some("MobileWeb")),
            ("/data/iOS/Android/x.json", Some("Android")),
            ("/data/iOS/MobileWeb-1.json", Some("MobileWeb")),
            ("/data/ios-backup/x.json", None),
            ("/data/Desktop/x.json", None),
            ("/iOSpecial.json", None),
            ("", None),
        ] {
            assert_eq!(Platform::of_path(path).as_ref().map(Platform::as_str), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = (Platform::parse(&text), Platform::of_path(&text));
        }

        #[test]
        fn reading_is_idempotent(text in "[A-Za-z0-9_-]{1,32}") {
            let platform = Platform::parse(&text).unwrap();
            prop_assert_eq!(Platform::canonical(&text), platform.as_str());
            prop_assert_eq!(Platform::parse(platform.as_str()), Some(platform));
        }
    }
}
