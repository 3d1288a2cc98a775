//! JSON or CSV, told by how a file begins rather than by its name.

use std::io::{self, Cursor, Read};

use super::decompress::first_bytes;
use super::read::BYTE_ORDER_MARK;

/// How the records of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any form of JSON, and whatever is no CSV: decode says what is wrong with it.
    Json,
    /// Lines of cells below a line of names.
    Csv(Csv),
}

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Csv {
    /// What stands between two cells.
    pub delimiter: u8,
    /// Lines end in CR LF.
    pub crlf: bool,
}

/// So much is looked at.
const HEAD: usize = 16 << 10;
const DELIMITERS: [u8; 3] = *b",;\t";

impl Form {
    /// Tells the form of a stream, which is handed back whole.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn tell<R: Read>(mut stream: R) -> io::Result<(Self, impl Read)> {
        let head = first_bytes(&mut stream, HEAD)?;
        Ok((Form::of(&head), Cursor::new(head).chain(stream)))
    }

    /// CSV is a first line of at least two names that is not followed by JSON: a broken line at the
    /// beginning of a file must not take the lines below it along.
    fn of(head: &[u8]) -> Self {
        let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
        let mut lines = head.split(|byte| *byte == b'\n');
        let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let delimiter = delimiter(first);
        match is_header(first, delimiter) && !matches!(second.trim_ascii_start().first(), Some(b'{' | b'[')) {
            true => Form::Csv(Csv { delimiter, crlf: first.ends_with(b"\r") }),
            false => Form::Json,
        }
    }
}

/// The most frequent one.
fn delimiter(line: &[u8]) -> u8 {
    let count = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

/// A line that ends within what is looked at, and within which no quote is left open.
fn is_header(line: &[u8], delimiter: u8) -> bool {
    let is_whole = line.len() < HEAD / 2 && line.iter().filter(|byte| **byte == b'"').count() % 2 == 0;
    let Some(line) = std::str::from_utf8(line).ok().filter(|_| is_whole) else { return false };
    let names = || line.trim_end().split(char::from(delimiter)).map(|name| name.trim_matches([' ', '"']));
    names().filter(|name| !name.is_empty()).count() > 1 && names().all(is_name)
}

/// A column that only numbers the rows often has none.
fn is_name(name: &str) -> bool {
    let begins = name.chars().next().is_none_or(|first| first.is_alphabetic() || first == '_');
    begins && name.chars().all(|char| char.is_alphanumeric() || " _-./()#%".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_told_by_a_line_of_names() {
        let csv = |delimiter, crlf| Form::Csv(Csv { delimiter, crlf });
        assert_eq!(Form::of(b"id,name\n"), csv(b',', false));
        assert_eq!(Form::of(b"\xef\xbb\xbfid;\"Order Date\";price\r\n1;2;3\r\n"), csv(b';', true));
        assert_eq!(Form::of(b"\t_id\tnome do usu\xc3\xa1rio\n0\t{}\tx\n"), csv(b'\t', false));
        assert_eq!(Form::of(b"id,items\n1,\"[\n{\"\"id\"\":1}]\"\n"), csv(b',', false));
    }

    #[test]
    fn all_else_is_left_to_decode() {
        for text in [
            "",
            " \n[{",
            "\u{feff}{",
            "nonsense",
            "stopped, going on\n{\"id\":1}\n",
            "\"id\": 5, \"name\": \"x\"}\n",
            "1,2020-01-01\n",
            "2016-01-03 13:55:00,123 started\n",
            "id,\"name\n1,x\n",
        ] {
            assert_eq!(Form::of(text.as_bytes()), Form::Json, "{text}");
        }
        assert_eq!(Form::of(b"PAR1,\xff,a\n"), Form::Json);
        assert_eq!(Form::of("name,".repeat(HEAD).as_bytes()), Form::Json);
    }

    #[test]
    fn nothing_of_the_stream_is_lost() {
        let text = "id,name\n".to_owned() + &"1,x\n".repeat(HEAD);
        let mut read = String::new();
        Form::tell(text.as_bytes()).unwrap().1.read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }
}
