//! JSON or CSV, and which.

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Csv {
    pub(super) delimiter: u8,
    /// Lines end in CR LF. The reader counts such a line once the next one begins: one too late.
    pub(super) crlf: bool,
}

/// How reference data is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv(Csv),
}

impl Form {
    /// Told by how the file begins.
    pub(super) fn of(head: &[u8]) -> Self {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        if matches!(head.first(), None | Some(b'{' | b'[')) {
            return Form::Json;
        }
        let header = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = |delimiter| header.iter().filter(|byte| **byte == delimiter).count();
        let delimiter = if count(b';') > count(b',') { b';' } else { b',' };
        Form::Csv(Csv { delimiter, crlf: header.ends_with(b"\r") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_csv() {
        assert_eq!(Form::of(b" \n[{"), Form::Json);
        assert_eq!(Form::of(b"\xef\xbb\xbf{"), Form::Json);
        assert_eq!(Form::of(b"id,name\n"), Form::Csv(Csv { delimiter: b',', crlf: false }));
    }
}
