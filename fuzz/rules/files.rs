//! A file of any bytes falls into records, the same in whatever parts it arrives, and nothing of it is lost.

use std::io::{self, Read};

use purser::intake::files::{Form, Record, decompressed, read_records};
use purser::pipeline::decode::decode;
use purser::shutdown::Shutdown;
use sha2::{Digest as _, Sha256};

/// More than this is not decompressed: a few bytes may hold a gigabyte.
const MOST: u64 = 1 << 20;
/// Records above this are not kept, where there is a limit.
const LIMIT: usize = 24;

/// Any bytes as a file.
pub fn files(bytes: &[u8]) {
    let mut file = Vec::new();
    let read = decompressed(bytes).and_then(|stream| stream.take(MOST).read_to_end(&mut file));
    if read.is_err() {
        return;
    }
    let (form, mut rest) = Form::tell(file.as_slice()).expect("memory can be read");
    let mut told = Vec::new();
    rest.read_to_end(&mut told).expect("memory can be read");
    assert_eq!(told, file, "telling the form takes nothing away");
    let whole = records(&file, form, usize::MAX, file.len().max(1));
    assert_eq!(whole, records(&file, form, usize::MAX, 1 + file.len() % 7), "records do not depend on chunks");
    match form {
        Form::Json => {
            let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file);
            assert_eq!(significant(text), whole.iter().flat_map(|record| significant(record)).collect::<Vec<_>>());
        }
        Form::Csv(_) => are_json(&file, &whole),
    }
    what_is_too_large_is_known(&file, form, &whole);
}

/// Everything but white space, and what stands around and between the elements of an array.
fn significant(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !b" \t\r\n,[]".contains(byte)).collect()
}

fn are_json(file: &[u8], records: &[Vec<u8>]) {
    if std::str::from_utf8(file).is_ok() {
        for record in records {
            assert!(decode(record).is_ok(), "{} is no JSON", String::from_utf8_lossy(record));
        }
    }
}

fn what_is_too_large_is_known(file: &[u8], form: Form, whole: &[Vec<u8>]) {
    let mut limited = Vec::new();
    read_records(file, form, LIMIT, &Shutdown::default(), |records| {
        limited.extend(records);
        Ok(())
    })
    .expect("memory can be read");
    assert_eq!(limited.len(), whole.len(), "a limit makes no record, and takes none");
    for (record, whole) in limited.into_iter().zip(whole) {
        match record {
            Record::Whole(bytes) => assert!(bytes == *whole && bytes.len() <= LIMIT),
            Record::TooLarge(large) => {
                assert!(whole.len() > LIMIT && large.bytes == whole.len() as u64);
                assert_eq!(large.sha256, <[u8; 32]>::from(Sha256::digest(whole)));
            }
        }
    }
}

/// The records of a file that arrives a few bytes at a time.
fn records(file: &[u8], form: Form, limit: usize, step: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let contents = read_records(Steps { file, step }, form, limit, &Shutdown::default(), |records| {
        found.extend(records.into_iter().map(|record| record.into_payload().0.to_vec()));
        Ok(())
    });
    let contents = contents.expect("memory can be read");
    assert_eq!((contents.bytes, contents.records), (file.len() as u64, found.len() as u64));
    assert_eq!(contents.sha256, <[u8; 32]>::from(Sha256::digest(file)));
    found
}

struct Steps<'f> {
    file: &'f [u8],
    step: usize,
}

impl Read for Steps<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = self.step.min(buffer.len()).min(self.file.len());
        let (now, later) = self.file.split_at(step);
        buffer[..step].copy_from_slice(now);
        self.file = later;
        Ok(step)
    }
}
