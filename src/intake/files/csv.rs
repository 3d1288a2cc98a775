//! CSV into records, each a JSON object of its columns: what a kind reads, and what can be replayed.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::form::Csv;
use super::record::{Gathering, Record};

/// Cuts a CSV stream into records, whatever the chunks that it arrives in.
///
/// A record has the names of the first line as fields. Its values are strings, just as they stand in
/// their cells; an empty cell is a field left out. A row that has not as many cells as there are names
/// is an array of its cells instead, for parse to reject: which cell is whose cannot be told.
pub(super) struct Rows {
    reader: Reader,
    /// Name and colon of each column.
    keys: Vec<Vec<u8>>,
    /// The name that is being read, as long as it is the first line.
    name: Option<Vec<u8>>,
    object: Written,
    array: Written,
    /// How many cells of the row have ended.
    cells: usize,
    /// Something of the current cell was read.
    in_cell: bool,
    scratch: Vec<u8>,
}

const SCRATCH: usize = 8 << 10;

impl Rows {
    /// Rows of which none above `limit` bytes is kept.
    pub(super) fn new(csv: Csv, limit: usize) -> Self {
        Rows {
            reader: ReaderBuilder::new().delimiter(csv.delimiter).build(),
            keys: Vec::new(),
            name: Some(Vec::new()),
            object: Written::new(limit),
            array: Written::new(limit),
            cells: 0,
            in_cell: false,
            scratch: vec![0; SCRATCH],
        }
    }

    /// Reads a chunk, and adds the records that end in it.
    pub(super) fn feed(&mut self, mut chunk: &[u8], records: &mut Vec<Record>) {
        while !chunk.is_empty() {
            chunk = &chunk[self.step(chunk, records).0..];
        }
    }

    /// Ends the stream, which may end in the middle of a record.
    pub(super) fn finish(&mut self, records: &mut Vec<Record>) {
        while self.step(b"", records).1 {}
    }

    /// How many bytes were read, and whether it goes on at the end of the stream.
    fn step(&mut self, bytes: &[u8], records: &mut Vec<Record>) -> (usize, bool) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (result, read, written) = self.reader.read_field(bytes, &mut scratch);
        if written > 0 {
            self.cell_goes_on(&scratch[..written]);
        }
        self.scratch = scratch;
        if let ReadFieldResult::Field { record_end } = result {
            self.end_cell();
            if record_end {
                records.extend(self.end_row());
            }
        }
        (read, result != ReadFieldResult::End)
    }

    fn cell_goes_on(&mut self, bytes: &[u8]) {
        if let Some(name) = &mut self.name {
            return name.extend_from_slice(bytes);
        }
        if !self.in_cell {
            self.in_cell = true;
            self.object.between(b"{");
            self.object.write(self.keys.get(self.cells).map_or(b"", Vec::as_slice));
            self.object.write(b"\"");
            self.array.between(b"[");
            self.array.write(b"\"");
        }
        escape(bytes, |escaped| {
            self.object.write(escaped);
            self.array.write(escaped);
        });
    }

    fn end_cell(&mut self) {
        if let Some(name) = &mut self.name {
            return self.keys.push(key(&std::mem::take(name)));
        }
        if std::mem::take(&mut self.in_cell) {
            self.object.write(b"\"");
            self.array.write(b"\"");
        } else {
            self.array.between(b"[");
            self.array.write(b"\"\"");
        }
        self.cells += 1;
    }

    fn end_row(&mut self) -> Option<Record> {
        if self.name.take().is_some() {
            return None;
        }
        let (object, array) = (self.object.take(b"{", b"}"), self.array.take(b"[", b"]"));
        if std::mem::take(&mut self.cells) == self.keys.len() { object } else { array }
    }
}

/// The name as JSON, with a colon.
fn key(name: &[u8]) -> Vec<u8> {
    let mut key = b"\"".to_vec();
    escape(name.trim_ascii(), |escaped| key.extend_from_slice(escaped));
    key.extend_from_slice(b"\":");
    key
}

/// The content of a JSON string. What is not UTF-8 stays so, for decode to say.
fn escape(bytes: &[u8], mut write: impl FnMut(&[u8])) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        write(&rest[..at]);
        match rest[at] {
            quoted @ (b'"' | b'\\') => write(&[b'\\', quoted]),
            b'\n' => write(b"\\n"),
            b'\r' => write(b"\\r"),
            b'\t' => write(b"\\t"),
            byte => write(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
        rest = &rest[at + 1..];
    }
    write(rest);
}

/// JSON on its way into a record.
struct Written {
    gathering: Gathering,
    /// Gathered in larger parts than it is written.
    part: Vec<u8>,
    is_begun: bool,
}

impl Written {
    fn new(limit: usize) -> Self {
        Written { gathering: Gathering::new(limit), part: Vec::new(), is_begun: false }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.part.len() + bytes.len() > SCRATCH {
            self.gathering.push(&self.part);
            self.part.clear();
        }
        self.part.extend_from_slice(bytes);
    }

    /// What stands before an item: the bracket, or a comma.
    fn between(&mut self, open: &[u8]) {
        let begins = !std::mem::replace(&mut self.is_begun, true);
        self.write(if begins { open } else { b"," });
    }

    fn take(&mut self, open: &[u8], close: &[u8]) -> Option<Record> {
        if !std::mem::take(&mut self.is_begun) {
            self.write(open);
        }
        self.write(close);
        self.gathering.push(&self.part);
        self.part.clear();
        self.gathering.take()
    }
}

#[cfg(test)]
mod tests;
