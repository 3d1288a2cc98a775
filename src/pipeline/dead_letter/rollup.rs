//! Dead letters by hour of their first rejection, kind, reason and code.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::start_of_hour;

/// One dead letter as the rollup sees it.
pub(super) struct Counted<'a> {
    pub(super) kind: &'a str,
    pub(super) reason: &'a str,
    /// Each once.
    pub(super) codes: Vec<&'a str>,
    pub(super) failed_at: DateTime<Utc>,
    /// It is open, and only missing rows speak against it.
    pub(super) waits: bool,
}

/// Hour, kind, reason and code.
type Key<'a> = (DateTime<Utc>, &'a str, &'a str, &'a str);

/// What is to be added under each key: dead letters, those of them that wait, and the last seen.
#[derive(Default)]
pub(super) struct Deltas<'a>(BTreeMap<Key<'a>, (i64, i64, DateTime<Utc>)>);

impl<'a> Deltas<'a> {
    /// Adds a dead letter, or with -1 takes it away.
    pub(super) fn count(&mut self, letter: &Counted<'a>, by: i64) {
        self.change(letter, by, if letter.waits { by } else { 0 });
    }

    /// One that waited waits no more.
    pub(super) fn close(&mut self, letter: &Counted<'a>) {
        if letter.waits {
            self.change(letter, 0, -1);
        }
    }

    fn change(&mut self, letter: &Counted<'a>, count: i64, waiting: i64) {
        let hour = start_of_hour(letter.failed_at);
        for code in &letter.codes {
            let delta = self.0.entry((hour, letter.kind, letter.reason, code)).or_default();
            *delta = (delta.0 + count, delta.1 + waiting, delta.2.max(letter.failed_at));
        }
    }

    /// Adds it all up, in the order of the keys.
    pub(super) async fn add(self, conn: &mut PgConnection, shard: i16) -> sqlx::Result<()> {
        let (mut hours, mut kinds, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        let (mut codes, mut counts, mut waiting, mut seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for ((hour, kind, reason, code), (count, waits, last_seen)) in self.0 {
            hours.push(hour);
            kinds.push(kind);
            reasons.push(reason);
            codes.push(code);
            counts.push(count);
            waiting.push(waits);
            seen.push(last_seen);
        }
        let upsert = sqlx::query(
            "INSERT INTO rejections AS sum (starts_at, kind, reason, code, shard, count, waiting, last_seen)
             SELECT starts_at, kind, reason, code, $1, count, waiting, last_seen
             FROM UNNEST($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::timestamptz[])
                  AS delta (starts_at, kind, reason, code, count, waiting, last_seen)
             ON CONFLICT (starts_at, kind, reason, code, shard) DO UPDATE SET
                 count = sum.count + EXCLUDED.count,
                 waiting = sum.waiting + EXCLUDED.waiting,
                 last_seen = greatest(sum.last_seen, EXCLUDED.last_seen)",
        );
        let upsert =
            upsert.bind(shard).bind(hours).bind(kinds).bind(reasons).bind(codes).bind(counts).bind(waiting).bind(seen);
        upsert.execute(conn).await?;
        Ok(())
    }
}
