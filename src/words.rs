//! Eight bytes at a time: what most of a text is not, is passed over faster than byte by byte.
//!
//! A mask has the top bit of each byte set that is looked for, and perhaps of others behind the first of them.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// The eight bytes at a place; `None` where there are fewer.
pub(crate) fn at(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

/// Bytes that are this one.
pub(crate) const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

/// Bytes that are less than this one, which is 128 at the most.
pub(crate) const fn below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(ONES * byte as u64) & !word & TOPS
}

/// How many bytes stand before the first that is marked; eight when none is.
pub(crate) const fn before(mask: u64) -> usize {
    mask.trailing_zeros() as usize / 8
}

/// How many of the bytes are this one before another comes.
pub(crate) const fn run(word: u64, byte: u8) -> usize {
    before(word ^ (ONES * byte as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_byte_is_found(bytes in proptest::collection::vec(0x1e_u8..0x24, 8), any in any::<[u8; 8]>()) {
            for bytes in [bytes.as_slice(), &any] {
                let word = at(bytes, 0).unwrap();
                let first = |is: &dyn Fn(u8) -> bool| bytes.iter().position(|byte| is(*byte)).unwrap_or(8);
                prop_assert_eq!(before(equal(word, b'"')), first(&|byte| byte == b'"'));
                prop_assert_eq!(before(below(word, b' ')), first(&|byte| byte < b' '));
                prop_assert_eq!(before(equal(word, b'!') | below(word, b' ')), first(&|byte| byte <= b'!' && byte != b' '));
                prop_assert_eq!(run(word, b' '), first(&|byte| byte != b' '));
            }
        }
    }
}
