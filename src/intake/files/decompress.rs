//! Compressed or not, told by the first bytes rather than by a name.

use std::io::{self, Cursor, Read};

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// What a stream holds once it is decompressed; gzip and zstd, of several members too.
///
/// # Errors
/// When the stream cannot be read.
pub fn decompressed<'r>(mut stream: impl Read + Send + 'r) -> io::Result<Box<dyn Read + Send + 'r>> {
    let magic = first_bytes(&mut stream, ZSTD.len())?;
    let (gzip, zstd) = (magic.starts_with(GZIP), magic.starts_with(ZSTD));
    let stream = Cursor::new(magic).chain(stream);
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(flate2::read::MultiGzDecoder::new(stream)),
        (_, true) => Box::new(zstd::stream::read::Decoder::new(stream)?),
        _ => Box::new(stream),
    })
}

/// The first bytes of a stream; fewer only when it ends before.
pub(super) fn first_bytes(stream: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    stream.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        decompressed(bytes).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_gzip_and_zstd_are_told_apart() {
        assert_eq!(read(b""), "");
        assert_eq!(read(b"{}"), "{}");
        assert_eq!(read(&gzip("zipped")), "zipped");
        assert_eq!(read(&zstd::encode_all(&b"packed"[..], 1).unwrap()), "packed");
    }

    #[test]
    fn members_that_were_joined_are_all_read() {
        assert_eq!(read(&[gzip("one "), gzip("two")].concat()), "one two");
        let members = [zstd::encode_all(&b"one "[..], 1).unwrap(), zstd::encode_all(&b"two"[..], 1).unwrap()];
        assert_eq!(read(&members.concat()), "one two");
    }
}
