//! The version of a Postgres binary.

use std::fmt;

/// The oldest major version that will do.
pub const OLDEST: u32 = 13;

/// A version as `postgres --version` says it. Data directories of one major version fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 15 of 15.18; 9 of 9.6.24.
    pub major: u32,
    /// 18 of 15.18; 6 of 9.6.24; 0 of a beta.
    pub minor: u32,
}

impl Version {
    /// Reads the answer of `postgres --version`; `None` when some other program answered.
    pub(crate) fn parse(answer: &str) -> Option<Version> {
        let (_, version) = answer.split_once("(PostgreSQL) ")?;
        let (major, rest) = leading_number(version)?;
        let minor = rest.strip_prefix('.').and_then(leading_number).map_or(0, |(minor, _)| minor);
        Some(Version { major, minor })
    }
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some((15, 18))),
            ("postgres (PostgreSQL) 18.4\n", Some((18, 4))),
            ("postgres (PostgreSQL) 19beta1\n", Some((19, 0))),
            ("postgres (PostgreSQL) 9.6.24\n", Some((9, 6))),
            ("PgBouncer 1.2\n", None),
            ("postgres (PostgreSQL) unknown", None),
        ];
        for (answer, expected) in cases {
            let expected = expected.map(|(major, minor)| Version { major, minor });
            assert_eq!(Version::parse(answer), expected, "{answer}");
        }
    }
}
