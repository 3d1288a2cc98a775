//! A line of an object.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{NAME, difference};
use crate::events::Difference;
use crate::hex::hex;

/// What is to be known of a line: a record, or a change of status.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: Uuid,
    pub(super) kind: String,
    /// Of a record; `None` for a change of status.
    pub(super) attempt: Option<i32>,
    pub(super) encoding: Option<String>,
    /// The payload, where the record itself holds it.
    pub(super) inline: Option<Vec<u8>>,
    sha256: Option<String>,
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotALine {
    #[error("the line is cut off")]
    CutOff,
    #[error("no record: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("a payload that is not the base64 it is said to be")]
    NotBase64,
}

#[derive(Deserialize)]
struct Fields {
    id: Uuid,
    kind: String,
    attempt: Option<i32>,
    payload: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    encoding: String,
    data: String,
    sha256: Option<String>,
}

impl Line {
    /// Reads a line with its end.
    pub(super) fn read(line: &[u8]) -> Result<Line, NotALine> {
        let line = line.strip_suffix(b"\n").ok_or(NotALine::CutOff)?;
        let Fields { id, kind, attempt, payload } = serde_json::from_slice(line)?;
        let Some(Payload { encoding, data, sha256 }) = payload else {
            return Ok(Line { id, kind, attempt: None, encoding: None, inline: None, sha256: None });
        };
        let inline = match encoding.as_str() {
            "utf8" => Some(data.into_bytes()),
            "base64" => Some(BASE64_STANDARD.decode(data).map_err(|_| NotALine::NotBase64)?),
            // In an object of its own, in the file that it came from, or in another dead letter.
            _ => None,
        };
        Ok(Line { id, kind, attempt: Some(attempt.unwrap_or(1)), encoding: Some(encoding), inline, sha256 })
    }

    /// Whether these are the bytes that the record speaks of.
    pub(super) fn compare_payload(&self, payload: &[u8], place: &str) -> Option<Difference> {
        let expected = self.sha256.as_ref()?;
        let found = hex(&Sha256::digest(payload));
        (found != *expected).then(|| difference(NAME, place, format!("sha256 {expected}"), format!("sha256 {found}")))
    }
}
