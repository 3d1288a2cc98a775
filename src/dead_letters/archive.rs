//! Dead letters where they are kept: the newest record of each, out of the database or the blob store, and
//! the exact bytes of its payload.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use super::Away;
use super::record::{Payload, Record};
use crate::blob::Blob;
use crate::hex::hex;
use crate::pipeline::dead_letter::PAYLOADS;

/// Where dead letters are kept. Clones share it.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Has their index, and what is not shipped yet.
    pub pool: PgPool,
    /// Has everything else.
    pub blob: Blob,
}

/// A dead letter as it is kept.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its newest record.
    pub record: Record,
    /// That record, byte for byte, without a line end.
    pub line: Bytes,
    /// How often it has been judged so far.
    pub attempt: i32,
    /// The payload, byte for byte.
    pub payload: Result<Bytes, Unreadable>,
}

/// Why a dead letter, or its payload, cannot be read. Waiting does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The index has none of this id.
    #[error("there is no such dead letter")]
    Unknown,
    /// The object is not in the blob store.
    #[error("{0} is not in the blob store")]
    Gone(String),
    /// Its line of the object is not its record.
    #[error("line {1} of {0} is not its record")]
    Misplaced(String, i32),
    /// The record is not what it should be.
    #[error("its record cannot be understood: {0}")]
    Malformed(String),
    /// The payload is not what the record says that it was.
    #[error("its payload is not what it was: the hash differs")]
    Altered,
    /// The payload was too large to be kept, and stays in the file that it came from.
    #[error("its payload was left in {0}")]
    LeftInFile(String),
}

/// Where the newest record of a dead letter is.
#[derive(sqlx::FromRow)]
struct Whereabouts {
    id: Uuid,
    attempt: i32,
    record: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    object: Option<String>,
    line: Option<i32>,
}

impl Archive {
    /// Reads dead letters, each object once.
    ///
    /// # Errors
    /// When database or blob store are away.
    pub async fn read(&self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Result<Letter, Unreadable>>, Away> {
        let mut read = self.records(ids).await?;
        let elsewhere: BTreeSet<Uuid> = letters(&read).filter_map(|letter| letter.record.payload.kept_in()).collect();
        let others = self.records(&elsewhere.into_iter().collect::<Vec<_>>()).await?;
        for (letter, in_outbox) in read.values_mut().flatten() {
            letter.payload = match letter.record.payload.kept_in().map(|other| others.get(&other)) {
                None => self.payload(letter, in_outbox.take()).await?,
                Some(Some(Ok((other, in_outbox)))) => self.payload(other, in_outbox.clone()).await?,
                Some(Some(Err(why))) => Err(why.clone()),
                Some(None) => Err(Unreadable::Unknown),
            };
        }
        Ok(read.into_iter().map(|(id, found)| (id, found.map(|(letter, _)| letter))).collect())
    }

    /// The records, their payloads still unread; beside each, what the outbox has of its payload.
    async fn records(&self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Found>, Away> {
        let whereabouts: Vec<Whereabouts> = sqlx::query_as(WHEREABOUTS).bind(ids).fetch_all(&self.pool).await?;
        let mut found: BTreeMap<Uuid, Found> = ids.iter().map(|id| (*id, Err(Unreadable::Unknown))).collect();
        let mut by_object: BTreeMap<String, Vec<Whereabouts>> = BTreeMap::new();
        for letter in whereabouts {
            match (letter.record, letter.object) {
                (Some(record), _) => {
                    let payload = letter.payload.map(Bytes::from);
                    found.insert(letter.id, parse(letter.id, letter.attempt, record.into(), payload));
                }
                (None, Some(object)) => {
                    let letter = Whereabouts { record: None, object: None, ..letter };
                    by_object.entry(object).or_default().push(letter);
                }
                (None, None) => {}
            }
        }
        for (object, letters) in by_object {
            let bytes = self.blob.find(&object).await?;
            let lines: Option<Vec<&[u8]>> = bytes.as_ref().map(|bytes| bytes.split(|byte| *byte == b'\n').collect());
            for letter in letters {
                found.insert(letter.id, in_object(&object, lines.as_deref(), &letter));
            }
        }
        Ok(found)
    }

    async fn payload(&self, letter: &Letter, in_outbox: Option<Bytes>) -> Result<Result<Bytes, Unreadable>, Away> {
        let Payload { encoding, data, sha256, .. } = &letter.record.payload;
        let bytes = match (encoding.as_str(), in_outbox) {
            ("utf8", _) => Ok(Bytes::from(data.clone())),
            ("base64", _) => {
                BASE64_STANDARD.decode(data).map(Bytes::from).map_err(|error| Unreadable::Malformed(error.to_string()))
            }
            ("object", Some(bytes)) => Ok(bytes),
            ("object", None) => {
                let object = format!("{PAYLOADS}/{}", letter.record.id);
                self.blob.find(&object).await?.ok_or(Unreadable::Gone(object))
            }
            ("reference", _) => Err(Unreadable::LeftInFile(data.clone())),
            (unknown, _) => Err(Unreadable::Malformed(format!("its payload is encoded as {unknown}"))),
        };
        Ok(bytes.and_then(|bytes| match sha256 {
            Some(sha256) if *sha256 != hex(&Sha256::digest(&bytes)) => Err(Unreadable::Altered),
            _ => Ok(bytes),
        }))
    }
}

/// Of each dead letter the record of its newest attempt: out of the outbox as long as it is there.
const WHEREABOUTS: &str = "
    SELECT letter.id, letter.attempt, outbox.record, outbox.payload, segment.object, letter.line
    FROM dead_letters AS letter
    LEFT JOIN dead_letter_outbox AS outbox ON outbox.letter = letter.id AND outbox.attempt = letter.attempt
    LEFT JOIN dead_letter_segments AS segment ON segment.id = letter.segment
    WHERE letter.id = ANY($1)";

type Found = Result<(Letter, Option<Bytes>), Unreadable>;

fn letters(found: &BTreeMap<Uuid, Found>) -> impl Iterator<Item = &Letter> {
    found.values().filter_map(|found| found.as_ref().ok()).map(|(letter, _)| letter)
}

fn in_object(object: &str, lines: Option<&[&[u8]]>, letter: &Whereabouts) -> Found {
    let lines = lines.ok_or_else(|| Unreadable::Gone(object.to_owned()))?;
    let number = letter.line.unwrap_or_default();
    let misplaced = || Unreadable::Misplaced(object.to_owned(), number);
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or_else(misplaced)?;
    let line = lines.get(index).ok_or_else(misplaced)?;
    parse(letter.id, letter.attempt, Bytes::copy_from_slice(line), None).map_err(|_| misplaced())
}

fn parse(id: Uuid, attempt: i32, line: Bytes, in_outbox: Option<Bytes>) -> Found {
    let record: Record = serde_json::from_slice(&line).map_err(|error| Unreadable::Malformed(error.to_string()))?;
    if record.id != id {
        return Err(Unreadable::Malformed("it is another dead letter's".to_owned()));
    }
    Ok((Letter { record, line, attempt, payload: Err(Unreadable::Unknown) }, in_outbox))
}
