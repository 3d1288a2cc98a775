//! A quick look at plain JSON, for kinds that can tell at a glance that an event is right.
//!
//! Whoever looks through a [`Glance`] sees the text as [`decode`](super::decode::decode) would, or gives up: at
//! anything that is wrong, and at what is merely rare (escapes, exponents, deep nesting). Then all is decoded, and
//! everything that is wrong is told.

use crate::words;

/// A text of JSON without escapes, and how far it was looked at. Every method gives up with `None`.
#[derive(Debug)]
pub struct Glance<'p> {
    text: &'p str,
    at: usize,
}

/// Deeper values are rare: well within what `decode` reads, wherever they stand.
const DEEPEST: usize = 32;
/// Longer numbers are rare.
const DIGITS: usize = 40;

impl<'p> Glance<'p> {
    /// Looks at a payload.
    #[must_use]
    pub fn at(payload: &'p [u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        (!payload.contains(&b'\\')).then_some(Glance { text, at: 0 })
    }

    /// Nothing but white space follows.
    pub fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.text.len()).then_some(())
    }

    /// The first byte of the next value.
    pub fn peek(&mut self) -> Option<u8> {
        self.space();
        self.byte()
    }

    /// An object: `field` is given each name, and reads its value.
    pub fn object(&mut self, mut field: impl FnMut(&mut Self, &'p str) -> Option<()>) -> Option<()> {
        self.items(b'{', b'}', |glance| {
            let name = glance.string()?;
            glance.take(b':')?;
            field(glance, name)
        })
    }

    /// An array: `element` reads each.
    pub fn array(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.items(b'[', b']', element)
    }

    fn items(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => {}
                byte if byte == close => return Some(()),
                _ => return None,
            }
        }
    }

    /// A string.
    pub fn string(&mut self) -> Option<&'p str> {
        self.take(b'"')?;
        let begin = self.at;
        while let Some(word) = self.word() {
            let ends = words::equal(word, b'"') | words::below(word, b' ');
            self.at += words::before(ends);
            if ends != 0 {
                break;
            }
        }
        while self.byte()? >= b' ' && self.byte()? != b'"' {
            self.at += 1;
        }
        let text = self.text.get(begin..self.at)?;
        self.take_now(b'"')?;
        Some(text)
    }

    /// A number, as it is written: without exponent, and not excessively long.
    pub fn number(&mut self) -> Option<&'p str> {
        self.space();
        let begin = self.at;
        let _ = self.take_now(b'-');
        match self.byte()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.take_now(b'.').is_some() {
            self.digits()?;
        }
        let number = self.text.get(begin..self.at)?;
        (number.len() <= DIGITS && !matches!(self.byte(), Some(b'0'..=b'9' | b'e' | b'E'))).then_some(number)
    }

    /// Any value: only that it is JSON is looked at.
    pub fn skip(&mut self) -> Option<()> {
        self.skip_to(DEEPEST)
    }

    fn skip_to(&mut self, deepest: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => self.object(|glance, _| glance.skip_to(deepest.checked_sub(1)?)),
            b'[' => self.array(|glance| glance.skip_to(deepest.checked_sub(1)?)),
            b't' => self.word_of("true"),
            b'f' => self.word_of("false"),
            b'n' => self.null(),
            _ => self.number().map(drop),
        }
    }

    /// `null`.
    pub fn null(&mut self) -> Option<()> {
        self.space();
        self.word_of("null")
    }

    fn word_of(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    fn digits(&mut self) -> Option<()> {
        let begin = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > begin).then_some(())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.space();
        self.take_now(byte)
    }

    fn take_now(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\n' | b'\r' | b'\t')) = self.byte() {
            self.at += 1;
            if byte == b'\n' {
                self.indentation();
            }
        }
    }

    fn indentation(&mut self) {
        while let Some(word) = self.word() {
            let spaces = words::run(word, b' ');
            self.at += spaces;
            if spaces < 8 {
                return;
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn word(&self) -> Option<u64> {
        words::at(self.text.as_bytes(), self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode::decode;
    use super::*;

    fn skips(text: &[u8]) -> bool {
        Glance::at(text).and_then(|mut glance| glance.skip().and_then(|()| glance.end())).is_some()
    }

    #[test]
    fn what_is_rare_or_wrong_is_given_up() {
        for text in [
            "",
            "nul",
            "01",
            "-",
            "1.",
            ".5",
            "1e5",
            "1E5",
            "+1",
            "\"a",
            "\"\n\"",
            "\"\\n\"",
            "[1,]",
            "[1 2]",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":1,}",
            "[]]",
            "truefalse",
            "\u{feff}1",
        ] {
            assert!(!skips(text.as_bytes()), "{text}");
        }
        assert!(!skips(b"\"\xff\"") && !skips("[".repeat(200).as_bytes()));
        assert!(!skips(format!("{}{}", "[".repeat(40), "]".repeat(40)).as_bytes()));
    }

    #[test]
    fn plain_json_is_looked_through() {
        for text in
            [" [ ] ", "{\n        \"a\": [1, -2.5, true, false, null, {}],\r\n\t\"é\": \"\u{1f600} long enough\"}", "0"]
        {
            assert!(skips(text.as_bytes()), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just("{"),
                Just("}"),
                Just("["),
                Just("]"),
                Just(","),
                Just(":"),
                Just("\"a\""),
                Just("\"é€\""),
                Just("\""),
                Just("1"),
                Just("0"),
                Just("-"),
                Just("."),
                Just("25"),
                Just("e"),
                Just(" "),
                Just("\n   "),
                Just("true"),
                Just("null"),
                Just("\\u0041"),
                Just("\u{1}"),
            ],
            0..12,
        )
        .prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn nothing_is_looked_through_that_cannot_be_decoded(text in json()) {
            prop_assert!(!skips(text.as_bytes()) || decode(text.as_bytes()).is_ok());
        }
    }
}
