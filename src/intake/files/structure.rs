//! Where an object or array ends, told byte by byte. Whether it is right is not asked here (decode
//! does that), only where it stops: so that a broken one does not take what follows with it.

use super::record::is_space;
use crate::words;

/// Deeper than any event, and than decode goes: what follows is not looked into.
const DEEPEST: usize = 1000;

/// One object or array that is being read.
pub(super) struct Structure {
    /// The brackets that will close what is open.
    closing: Vec<u8>,
    text: Text,
    /// The last byte that was no white space; a string counts as its closing quote.
    last: u8,
    line: Line,
    /// Whether a line end was seen inside.
    pub(super) several_lines: bool,
    /// Every value before this one stood on a line of its own: a line that begins with a brace is another value.
    one_per_line: bool,
}

#[derive(PartialEq)]
enum Text {
    Outside,
    Inside,
    Escaped,
}

/// What of the current line has been read.
#[derive(PartialEq)]
enum Line {
    Nothing,
    Spaces,
    Something,
}

/// What the bytes that were read mean for the value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All of them belong to it, and it goes on.
    Inside,
    /// It is complete with the last of them.
    Closed,
    /// They belong to it; what follows, up to the end of the line, cannot be told from it.
    Broken,
    /// They belong to it; it broke off there, and the next byte begins something else.
    BrokenOff,
}

impl Structure {
    pub(super) fn new(one_per_line: bool) -> Self {
        let (closing, text, line) = (Vec::new(), Text::Outside, Line::Something);
        Structure { closing, text, last: 0, line, several_lines: false, one_per_line }
    }

    /// Reads on, and tells how many of the bytes were read.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (usize, Step) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let passed = match (&self.text, byte) {
                (Text::Inside, _) => in_text(&bytes[at..]),
                (Text::Outside, b' ') => self.spaces(&bytes[at..]),
                (Text::Outside, _) => self.plain(&bytes[at..]),
                (Text::Escaped, _) => 0,
            };
            if passed > 0 {
                at += passed;
                continue;
            }
            match self.next(byte) {
                Step::Inside => at += 1,
                Step::BrokenOff => return (at, Step::BrokenOff),
                end => return (at + 1, end),
            }
        }
        (at, Step::Inside)
    }

    /// Passes over spaces.
    fn spaces(&mut self, bytes: &[u8]) -> usize {
        if self.line == Line::Nothing {
            self.line = Line::Spaces;
        }
        run(bytes, |word| words::run(word, b' '), |byte| byte == b' ')
    }

    /// Passes over what is neither white space, nor a text, nor a bracket.
    fn plain(&mut self, bytes: &[u8]) -> usize {
        let is_plain = |byte: &u8| PLAIN[usize::from(*byte)];
        let count = bytes.iter().position(|byte| !is_plain(byte)).unwrap_or(bytes.len());
        if count > 0 {
            (self.last, self.line) = (bytes[count - 1], Line::Something);
        }
        count
    }

    fn next(&mut self, byte: u8) -> Step {
        match (&self.text, byte) {
            // No string goes over a line end: the value was cut off.
            (Text::Inside | Text::Escaped, b'\n') => Step::BrokenOff,
            (Text::Inside, b'\\') => self.goes_on(Text::Escaped),
            (Text::Inside, b'"') => {
                self.last = byte;
                self.goes_on(Text::Outside)
            }
            (Text::Inside | Text::Escaped, _) => self.goes_on(Text::Inside),
            (Text::Outside, _) => self.outside(byte),
        }
    }

    fn goes_on(&mut self, text: Text) -> Step {
        self.text = text;
        Step::Inside
    }

    fn outside(&mut self, byte: u8) -> Step {
        if is_space(byte) {
            match byte {
                b'\n' => (self.line, self.several_lines) = (Line::Nothing, true),
                _ if self.line == Line::Nothing => self.line = Line::Spaces,
                _ => {}
            }
            return Step::Inside;
        }
        let step = self.significant(byte);
        (self.last, self.line) = (byte, Line::Something);
        step
    }

    fn significant(&mut self, byte: u8) -> Step {
        match byte {
            b'"' => self.goes_on(Text::Inside),
            b'{' | b'[' if !self.may_begin(byte) => match self.line {
                Line::Something => Step::Broken,
                Line::Nothing | Line::Spaces => Step::BrokenOff,
            },
            b'{' | b'[' if self.closing.len() == DEEPEST => Step::Broken,
            b'{' => self.open(b'}'),
            b'[' => self.open(b']'),
            b'}' | b']' => self.close(byte),
            _ => Step::Inside,
        }
    }

    fn may_begin(&self, byte: u8) -> bool {
        if self.one_per_line && self.line == Line::Nothing && byte == b'{' {
            return false;
        }
        match self.last {
            0 | b'[' | b':' => true,
            b',' => self.closing.last() == Some(&b']'),
            _ => false,
        }
    }

    fn open(&mut self, closing: u8) -> Step {
        self.closing.push(closing);
        Step::Inside
    }

    fn close(&mut self, byte: u8) -> Step {
        match self.closing.pop() {
            Some(closing) if closing == byte && self.closing.is_empty() => Step::Closed,
            Some(closing) if closing == byte => Step::Inside,
            _ => Step::Broken,
        }
    }
}

/// Which bytes mean nothing outside of a text but that something stands there.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut others = b" \t\r\n\"{}[]".as_slice();
    while let [byte, rest @ ..] = others {
        plain[*byte as usize] = false;
        others = rest;
    }
    plain
};

/// How many bytes of a text pass before one that means something.
fn in_text(bytes: &[u8]) -> usize {
    let means = |word| words::equal(word, b'"') | words::equal(word, b'\\') | words::equal(word, b'\n');
    run(bytes, |word| words::before(means(word)), |byte| !matches!(byte, b'"' | b'\\' | b'\n'))
}

/// How many bytes follow each other, told by eight and, at the end, one by one.
fn run(bytes: &[u8], of_word: impl Fn(u64) -> usize, is_one: impl Fn(u8) -> bool) -> usize {
    let mut count = 0;
    while let Some(word) = words::at(bytes, count) {
        let more = of_word(word);
        count += more;
        if more < 8 {
            return count;
        }
    }
    count + bytes[count..].iter().take_while(|byte| is_one(**byte)).count()
}
