//! One object of dead letters against the rows of the index that point to it.

use std::collections::{BTreeMap, HashSet};

use sqlx::FromRow;
use uuid::Uuid;

use super::record::{Line, NotALine};
use super::{NAME, Segment, difference};
use crate::blob::Blob;
use crate::events::Difference;
use crate::pipeline::dead_letter::PAYLOADS;
use crate::verify::{Unverified, Verifier};

/// A row of the index.
#[derive(FromRow)]
struct Letter {
    id: Uuid,
    line: i32,
    kind: String,
    attempt: i32,
}

impl Verifier {
    /// What differs, as it was seen twice: between the index and the object somebody may have written both anew.
    pub(super) async fn segment(&self, blob: &Blob, segment: Segment) -> Result<Vec<Difference>, Unverified> {
        match self.segment_once(blob, &segment).await? {
            none if none.is_empty() => Ok(none),
            _ => self.segment_once(blob, &segment).await,
        }
    }

    async fn segment_once(&self, blob: &Blob, segment: &Segment) -> Result<Vec<Difference>, Unverified> {
        let Some(letters) = self.letters(segment).await? else { return Ok(Vec::new()) };
        let object = &segment.object;
        let Some(bytes) = blob.find(object).await? else {
            return Ok(vec![difference(NAME, object, format!("{} records", letters.len()), "no such object")]);
        };
        let mut lines: BTreeMap<i32, Result<Line, NotALine>> =
            (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n').map(Line::read)).collect();
        let mut differences = Vec::new();
        for letter in &letters {
            let place = format!("{object}:{}", letter.line);
            differences.extend(match lines.remove(&letter.line) {
                None => Some(difference(NAME, &place, letter.id.to_string(), "no such line")),
                Some(Err(error)) => Some(difference(NAME, &place, letter.id.to_string(), error.to_string())),
                Some(Ok(line)) => match letter.compare(&place, &line) {
                    None => self.payload(blob, &place, &line).await?,
                    different => different,
                },
            });
        }
        differences.extend(self.others(object, lines).await?);
        Ok(differences)
    }

    /// The rows of the index that point to a segment; `None` when the segment is not there any more.
    async fn letters(&self, segment: &Segment) -> sqlx::Result<Option<Vec<Letter>>> {
        let rows = sqlx::query_as::<_, (Option<Uuid>, Option<i32>, Option<String>, Option<i32>)>(
            "SELECT letter.id, line, kind, attempt
             FROM dead_letter_segments AS segment
             LEFT JOIN dead_letters AS letter ON letter.segment = segment.id
             WHERE segment.id = $1 AND segment.object = $2 AND shipped_at IS NOT NULL
             ORDER BY line",
        );
        let rows = rows.bind(segment.id).bind(&segment.object).fetch_all(&self.pool).await?;
        let letter = |(id, line, kind, attempt): (Option<_>, Option<_>, Option<_>, Option<_>)| {
            Some(Letter { id: id?, line: line?, kind: kind?, attempt: attempt? })
        };
        Ok((!rows.is_empty()).then(|| rows.into_iter().filter_map(letter).collect()))
    }

    /// A payload that has an object of its own.
    async fn payload(&self, blob: &Blob, place: &str, line: &Line) -> Result<Option<Difference>, Unverified> {
        if line.encoding.as_deref() != Some("object") {
            return Ok(None);
        }
        let object = format!("{PAYLOADS}/{}", line.id);
        Ok(match blob.find(&object).await? {
            Some(bytes) => line.compare_payload(&bytes, &format!("{object}, of {place}")),
            None => Some(difference(NAME, &object, format!("the payload of {place}"), "no such object")),
        })
    }

    /// Lines that the index does not point to: changes of status, and records of attempts that a newer one
    /// followed. They are about dead letters all the same.
    async fn others(
        &self,
        object: &str,
        lines: BTreeMap<i32, Result<Line, NotALine>>,
    ) -> Result<Vec<Difference>, Unverified> {
        let ids: Vec<Uuid> = lines.values().flatten().map(|line| line.id).collect();
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let attempts: Vec<(Uuid, i32)> = sqlx::query_as("SELECT id, attempt FROM dead_letters WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(&self.pool)
            .await?;
        let known: HashSet<Uuid> = attempts.iter().map(|(id, _)| *id).collect();
        let newer: HashSet<(Uuid, i32)> = attempts.into_iter().collect();
        let different = lines.into_iter().filter_map(|(number, line)| {
            let place = format!("{object}:{number}");
            match line {
                Err(error) => Some(difference(NAME, &place, "a record", error.to_string())),
                Ok(line) if !known.contains(&line.id) => {
                    Some(difference(NAME, &place, "a row of the index", format!("none for {}", line.id)))
                }
                Ok(line) if line.attempt.is_some_and(|attempt| newer.contains(&(line.id, attempt))) => {
                    Some(difference(NAME, &place, "the index to point to it", format!("{} points elsewhere", line.id)))
                }
                Ok(_) => None,
            }
        });
        Ok(different.collect())
    }
}

impl Letter {
    fn compare(&self, place: &str, line: &Line) -> Option<Difference> {
        if line.id != self.id {
            return Some(difference(NAME, place, self.id.to_string(), line.id.to_string()));
        }
        if line.kind != self.kind || line.attempt.is_none_or(|attempt| attempt > self.attempt) {
            let found = line.attempt.map_or("a change of status".to_owned(), |n| format!("{}, attempt {n}", line.kind));
            return Some(difference(NAME, place, format!("{}, attempt {}", self.kind, self.attempt), found));
        }
        line.inline.as_ref().and_then(|payload| line.compare_payload(payload, place))
    }
}
