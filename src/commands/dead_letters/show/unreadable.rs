//! A payload that is not JSON: as text or as bytes, with the place where reading it failed.

use std::fmt::Write as _;

use super::page::Page;
use crate::commands::dead_letters::plain::{beginning, plain};
use crate::pipeline::decode::Json;

/// More characters of a line are only counted.
const LINE_CHARS: usize = 160;
/// So many characters of a long line stand before the place where it is wrong.
const BEFORE: usize = 60;
/// Bytes of a line.
const ROW: usize = 16;

/// Prints what cannot be decoded, and where that ends.
pub(super) fn unreadable(payload: &[u8]) -> Page {
    let mut page = Page::default();
    match std::str::from_utf8(payload) {
        Ok(text) => print_text(&mut page, text),
        Err(error) => print_bytes(&mut page, payload, error.valid_up_to()),
    }
    page
}

fn print_text(page: &mut Page, text: &str) {
    let wrong = serde_json::from_str::<Json<'_>>(text).err();
    let (at_line, column) = wrong.as_ref().map_or((0, 0), |error| (error.line(), error.column().saturating_sub(1)));
    let mut offset = 0;
    for (number, line) in (1..).zip(text.split('\n')) {
        match &wrong {
            Some(error) if number == at_line => print_wrong(page, line, column, offset, error),
            _ => page.line(cut(line)),
        }
        offset += line.len() + 1;
    }
}

/// The line in which reading failed, around the place where it did.
fn print_wrong(page: &mut Page, line: &str, column: usize, offset: usize, error: &serde_json::Error) {
    let column = (0..=column.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
    let (before, behind) = line.split_at(column);
    let start = before.char_indices().rev().nth(BEFORE).map_or(0, |(start, _)| start);
    let before = match start {
        0 => plain(before).into_owned(),
        start => format!("…{}", plain(&before[start..])),
    };
    let caret = " ".repeat(before.chars().count());
    page.line(format!("{before}{}", cut(behind)));
    page.mark(format!("{caret}^ byte {}: {}", offset + column, plain(&error.to_string())));
}

fn cut(line: &str) -> String {
    beginning(line, LINE_CHARS)
}

fn print_bytes(page: &mut Page, payload: &[u8], wrong: usize) {
    for (number, row) in payload.chunks(ROW).enumerate() {
        let start = number * ROW;
        page.line(row_of_bytes(start, row));
        if (start..start + ROW).contains(&wrong) {
            page.mark(format!("{}^ byte {wrong}: this is not UTF-8", " ".repeat(10 + 3 * (wrong - start))));
        }
    }
}

/// Offset, bytes, and those that ASCII has a form for. Writing into a string does not fail.
fn row_of_bytes(start: usize, row: &[u8]) -> String {
    let mut line = format!("{start:08x}  ");
    for byte in row {
        let _ = write!(line, "{byte:02x} ");
    }
    let width = 10 + 3 * ROW + 1;
    let seen = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    format!("{line:width$}{}", row.iter().map(seen).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::dead_letters::plain::is_unseen;
    use proptest::prelude::*;

    fn printed(payload: &[u8]) -> String {
        unreadable(payload).print("")
    }

    #[test]
    fn a_text_shows_where_it_stops_being_json() {
        let expected = "{\"a\": 1,\n \\u001b]b}\n ^ byte 10: expected value at line 2 column 2\n\n";
        let found = printed(b"{\"a\": 1,\n \x1b]b}\n");
        assert_eq!(found.replace("key must be a string", "expected value"), expected);
        assert_eq!(printed(b""), "\n^ byte 0: EOF while parsing a value at line 1 column 0\n");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = printed(format!("[{}x{}", "1,".repeat(500_000), " ".repeat(500_000)).as_bytes());
        assert!(text.len() < 1000 && text.starts_with("…,1,1,"), "{text}");
        assert!(text.contains("^ byte 1000001: expected value"), "{text}");
        let deep = printed("[".repeat(1 << 20).as_bytes());
        assert!(deep.len() < 1000 && deep.contains("recursion limit"), "{deep}");
    }

    #[test]
    fn bytes_show_which_of_them_is_no_text() {
        let found = printed(b"0123456789abcdefgh\xff\x1b[2J");
        let expected = "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n\
                        00000010  67 68 ff 1b 5b 32 4a                             gh..[2J\n\
                        \x20               ^ byte 18: this is not UTF-8\n";
        assert_eq!(found, expected);
        assert!(printed(&vec![0xff; 1 << 20]).lines().count() < 100);
    }

    proptest! {
        #[test]
        fn nothing_unseen_is_printed(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in any::<String>()) {
            for payload in [&bytes[..], text.as_bytes()] {
                prop_assert!(!printed(payload).replace('\n', "").contains(is_unseen));
            }
        }
    }
}
