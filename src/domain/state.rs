//! The state of a US postal address.

use std::fmt;

/// The two letters before the ZIP code of a US address: a state, the district, a territory, or
/// the "state" of a military post office (`AA`, `AE`, `AP`).
///
/// The list is that of USPS Publication 28, Appendix B.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State([u8; 2]);

const KNOWN: &[&str] = &[
    "AA", "AE", "AK", "AL", "AP", "AR", "AS", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "FM", "GA", "GU", "HI", "IA",
    "ID", "IL", "IN", "KS", "KY", "LA", "MA", "MD", "ME", "MH", "MI", "MN", "MO", "MP", "MS", "MT", "NC", "ND", "NE",
    "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR", "PA", "PR", "PW", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VI",
    "VT", "WA", "WI", "WV", "WY",
];

impl State {
    /// Reads the state out of an address that ends in `<state> <ZIP or ZIP+4>`.
    ///
    /// `None` when the address does not end so, or the two letters are no state.
    #[must_use]
    pub fn of_address(address: &str) -> Option<State> {
        let (rest, zip) = address.trim_end().rsplit_once(char::is_whitespace)?;
        let letters = rest.trim_end().rsplit([' ', '\n', '\t', ',']).next()?;
        let known = KNOWN.binary_search(&letters).is_ok();
        (known && is_zip(zip)).then(|| Self::from_known(letters))?
    }

    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn from_known(letters: &str) -> Option<State> {
        letters.as_bytes().try_into().ok().map(State)
    }
}

fn is_zip(text: &str) -> bool {
    let digits = |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('-') {
        Some((zip, plus_four)) => digits(zip, 5) && digits(plus_four, 4),
        None => digits(text, 5),
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_list_is_sorted_so_that_it_can_be_searched() {
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn addresses_have_the_state_before_the_zip() {
        let cases = [
            ("31712 Cantu Highway Suite 677\nSouth Andrea, ID 79062", Some("ID")),
            ("PSC 8217, Box 5946\nAPO AP 33281", Some("AP")),
            ("Unit 1 Box 2\nFPO AE 09012-1234", Some("AE")),
            ("1 Calle Sol\nSan Juan, PR 00901\n", Some("PR")),
            ("1 Main St,WA 98101", Some("WA")),
            ("1 Main St, Seattle WA", None),
            ("1 Main St, Seattle, XX 98101", None),
            ("1 Main St, Seattle, wa 98101", None),
            ("1 Main St, Seattle, WA 9810", None),
            ("98101", None),
            ("", None),
        ];
        for (address, expected) in cases {
            let state = State::of_address(address);
            assert_eq!(state.as_ref().map(State::as_str), expected, "{address:?}");
        }
    }

    proptest! {
        #[test]
        fn no_address_makes_it_panic(address in "\\PC*") {
            let _ = State::of_address(&address);
        }

        #[test]
        fn whatever_stands_before_the_state_does_not_matter(
            street in "[A-Za-z0-9 .,]{0,40}",
            state in proptest::sample::select(KNOWN),
            zip in "[0-9]{5}(-[0-9]{4})?",
        ) {
            let found = State::of_address(&format!("{street}\nTown, {state} {zip}"));
            prop_assert_eq!(found.as_ref().map(State::as_str), Some(state));
        }
    }
}
