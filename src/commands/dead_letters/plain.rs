//! Text from outside on a terminal: what would move the cursor, hide, or turn other text around is spelled out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character that is not simply seen written as JSON would escape it.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        push_plain(&mut plain, character);
    }
    plain.into()
}

/// The first characters of a text, plain, and how many there are where these are not all.
pub(super) fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => plain(text).into_owned(),
        Some((end, _)) => format!("{}… ({} characters)", plain(&text[..end]), text.chars().count()),
    }
}

/// A character, or its escape. Writing into a string does not fail.
pub(super) fn push_plain(text: &mut String, character: char) {
    match character {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        unseen if is_unseen(unseen) => {
            for unit in unseen.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        seen => text.push(seen),
    }
}

/// Controls, marks of direction, joiners and other characters without a form, line ends of Unicode, private use.
pub(super) fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_seen_is_spelled_out() {
        let cases = [
            ("plain ÄÖ 漢字 🛒", "plain ÄÖ 漢字 🛒"),
            ("\u{1b}[2J\u{9b}0m\u{7}\r\n\t\u{7f}\0", "\\u001b[2J\\u009b0m\\u0007\\r\\n\\t\\u007f\\u0000"),
            ("a\u{202e}b\u{2066}c\u{200d}\u{feff}", "a\\u202eb\\u2066c\\u200d\\ufeff"),
            ("\u{2028}\u{e0041}", "\\u2028\\udb40\\udc41"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_unseen_is_left(text in any::<String>(), most in 0_usize..20) {
            prop_assert!(!plain(&text).contains(is_unseen));
            prop_assert!(!beginning(&text, most).contains(is_unseen));
        }
    }
}
