//! Where records begin and end in a stream of bytes. A record is a top-level value, or an element
//! of a top-level array in a file that begins with one; whatever else stands there is a record of
//! its own up to the end of its line, for decode to reject: nothing is lost, nothing is fatal.

use super::record::{Gathering, Record, is_space};
use super::structure::{Step, Structure};

/// Cuts a stream into records, whatever the chunks that it arrives in.
pub(super) struct Scanner {
    record: Gathering,
    state: State,
    /// Whether the first thing in the file was a `[`: then top-level arrays are opened.
    opens_arrays: Option<bool>,
    in_array: bool,
    /// Whether each object so far stood on one line; unknown before the first.
    one_per_line: Option<bool>,
}

enum State {
    /// Before a record.
    Between,
    /// In an object or array.
    Value(Structure),
    /// In a number, a word or a string.
    Scalar { quoted: bool, escaped: bool },
    /// In what cannot be told apart.
    RestOfLine,
}

impl Scanner {
    /// A scanner that keeps no record above `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let (record, state) = (Gathering::new(limit), State::Between);
        Scanner { record, state, opens_arrays: None, in_array: false, one_per_line: None }
    }

    /// Reads a chunk, and adds the records that end in it.
    pub(super) fn feed(&mut self, mut chunk: &[u8], records: &mut Vec<Record>) {
        while !chunk.is_empty() {
            if let State::Between = self.state {
                chunk = &chunk[self.begin(chunk)..];
                continue;
            }
            let (read, ends) = match &mut self.state {
                State::Value(_) => self.value(chunk),
                State::Scalar { .. } => self.scalar(chunk),
                State::Between | State::RestOfLine => rest_of_line(chunk),
            };
            self.record.push(&chunk[..read]);
            if ends {
                records.extend(self.record.take());
                self.state = State::Between;
            }
            chunk = &chunk[read..];
        }
    }

    /// Ends the stream, which may end in the middle of a record. `true` when an array was not closed.
    pub(super) fn finish(&mut self, records: &mut Vec<Record>) -> bool {
        records.extend(self.record.take());
        self.in_array
    }

    /// Skips what stands between records, and tells by its first byte what follows.
    fn begin(&mut self, chunk: &[u8]) -> usize {
        let between = |byte: &u8| is_space(*byte) || (self.in_array && *byte == b',');
        let Some(at) = chunk.iter().position(|byte| !between(byte)) else { return chunk.len() };
        let byte = chunk[at];
        let opens_arrays = *self.opens_arrays.get_or_insert(byte == b'[');
        match byte {
            b'[' if opens_arrays && !self.in_array => self.in_array = true,
            b']' if self.in_array => self.in_array = false,
            b'{' | b'[' => {
                self.state = State::Value(Structure::new(self.one_per_line == Some(true)));
                return at;
            }
            _ if self.in_array => {
                self.state = State::Scalar { quoted: false, escaped: false };
                return at;
            }
            _ => {
                self.state = State::RestOfLine;
                return at;
            }
        }
        at + 1
    }

    fn value(&mut self, chunk: &[u8]) -> (usize, bool) {
        let State::Value(structure) = &mut self.state else { return (0, false) };
        let (read, step) = structure.read(chunk);
        match step {
            Step::Inside => (read, false),
            Step::Closed => {
                let one_line = !structure.several_lines;
                self.one_per_line = Some(self.one_per_line.unwrap_or(true) && one_line);
                (read, true)
            }
            Step::BrokenOff => (read, true),
            Step::Broken => {
                self.state = State::RestOfLine;
                (read, false)
            }
        }
    }

    /// An element of an array that is neither object nor array.
    fn scalar(&mut self, chunk: &[u8]) -> (usize, bool) {
        let State::Scalar { quoted, escaped } = &mut self.state else { return (0, false) };
        for (at, byte) in chunk.iter().enumerate() {
            match byte {
                b'\n' => return (at, true),
                b',' | b']' | b'{' | b'[' if !*quoted => return (at, true),
                b'"' if !*escaped => *quoted = !*quoted,
                _ => {}
            }
            *escaped = *quoted && !*escaped && *byte == b'\\';
        }
        (chunk.len(), false)
    }
}

fn rest_of_line(chunk: &[u8]) -> (usize, bool) {
    match chunk.iter().position(|byte| *byte == b'\n') {
        Some(end) => (end, true),
        None => (chunk.len(), false),
    }
}

#[cfg(test)]
mod tests;
