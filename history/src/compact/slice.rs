//! What one transaction commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use purser::intake::files::ingested::{Advance, Sha256};
use purser::pipeline::dead_letter::DeadLetter;
use uuid::Uuid;

use super::Limits;
use super::chunk::{End, Input};
use super::judge::Judged;
use crate::views::{Rows, View};

/// Judged records of several files, of each those that follow each other from where it was committed.
pub(super) struct Slice {
    /// Its row in the ledger: an attempt to commit may be repeated.
    pub(super) id: Uuid,
    /// By which it was judged.
    pub(super) expired_before: Option<DateTime<Utc>>,
    pub(super) rows: Rows,
    pub(super) stored: u64,
    pub(super) ignored: u64,
    pub(super) letters: Vec<Arc<DeadLetter>>,
    letter_bytes: usize,
    files: BTreeMap<Sha256, (Arc<Input>, Advance)>,
    /// How many records it holds, and how many bytes these are.
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Slice {
    pub(super) fn new(expired_before: Option<DateTime<Utc>>) -> Self {
        Slice {
            id: Uuid::now_v7(),
            expired_before,
            rows: Rows::default(),
            stored: 0,
            ignored: 0,
            letters: Vec::new(),
            letter_bytes: 0,
            files: BTreeMap::new(),
            records: 0,
            bytes: 0,
        }
    }

    /// Adds a chunk, and says how its file ended, if it did.
    pub(super) fn add(&mut self, judged: Judged) -> anyhow::Result<Option<End>> {
        let Judged { input, begin, to, bytes, sorted, deliveries, end } = judged;
        if input.is_left() {
            return Ok(None);
        }
        for letter in sorted.letters(&deliveries) {
            self.letter_bytes += letter.held();
            self.letters.push(Arc::new(letter));
        }
        (self.stored, self.ignored) = (self.stored + sorted.rows.len() as u64, self.ignored + sorted.ignored);
        for row in sorted.rows {
            self.rows.push(View {
                id: row.view.id,
                occurred_at: row.view.occurred_at.timestamp_micros(),
                received_at: row.received_at.timestamp_micros(),
                platform: row.view.platform.as_str(),
                product: &row.view.product,
                mpid: row.view.mpid.as_deref(),
                session_id: row.view.session_id.as_deref(),
                event_id: row.view.event_id.as_deref(),
            })?;
        }
        (self.records, self.bytes) = (self.records + (to - begin), self.bytes + bytes);
        let finished = matches!(end, Some(End::Whole));
        if finished || to > begin {
            let sha256 = input.content.sha256;
            let advance = Advance { sha256, from: begin, to, finished };
            let (_, file) = self.files.entry(sha256).or_insert((input, advance));
            (file.to, file.finished) = (to, finished);
        }
        Ok(end)
    }

    pub(super) fn is_full(&self, limits: Limits) -> bool {
        let of_views = self.rows.bytes() >= limits.views || self.letter_bytes >= limits.letters;
        // Also where hardly anything is a view, a killed run is not to begin anew.
        of_views || self.files.len() >= FILES || self.bytes >= INPUT || self.ignored >= IGNORED
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How far it brings each of its files.
    pub(super) fn advances(&self) -> Vec<Advance> {
        self.files.values().map(|(_, advance)| *advance).collect()
    }

    /// Whether records that stand before its own are not committed, and will not be.
    pub(super) fn is_left(&self) -> bool {
        self.files.values().any(|(input, _)| input.is_left())
    }

    /// It will not be committed. Says how many files are left for that reason.
    pub(super) fn leave(&self) -> u64 {
        self.files.values().filter(|(input, _)| input.leave()).count() as u64
    }
}

/// The most files that share a commit.
const FILES: usize = 10_000;
/// The most bytes of input that do.
const INPUT: u64 = 4 << 30;
/// The most events that are none of ours: the ledger counts them.
const IGNORED: u64 = 10_000_000;
