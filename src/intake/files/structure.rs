//! Where an object or array ends, told byte by byte. Whether it is right is not asked here (decode
//! does that), only where it stops: so that a broken one does not take what follows with it.

use super::record::is_space;

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
            if self.text == Text::Inside && !matches!(byte, b'"' | b'\\' | b'\n') {
                let rest = &bytes[at..];
                at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n')).unwrap_or(rest.len());
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
