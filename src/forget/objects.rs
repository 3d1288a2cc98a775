//! The objects of dead letters: which name a person, and writing them anew without.

use std::collections::{BTreeSet, HashSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::PgPool;
use uuid::Uuid;

use super::lines::{Line, Payload, blanked};
use crate::blob::Blob;
use crate::dead_letters::{FOLDER, PAYLOADS};
use crate::domain::Person;

/// Objects that are read at once.
const AT_ONCE: usize = 8;

/// Objects that were looked through before: they do not change but by forgetting.
pub(super) type Seen = HashSet<String>;

/// What was found in one object.
#[derive(Default)]
struct Found {
    object: String,
    /// Dead letters of which a line names the person, or their payload does.
    named: Vec<Uuid>,
    /// Dead letters whose payload is with another.
    with: Vec<(Uuid, Uuid)>,
}

/// What is to be done.
#[derive(Default)]
pub(super) struct ToForget {
    pub(super) letters: BTreeSet<Uuid>,
    pub(super) objects: Vec<String>,
}

/// Looks through all objects that were not seen before. A message is forgotten as a whole: also the dead letters
/// whose payload is with one that names the person.
pub(super) async fn look(blob: &Blob, person: &Person, seen: &mut Seen) -> object_store::Result<ToForget> {
    let all: Vec<(String, u64)> = blob.list(FOLDER).try_collect().await?;
    let is_new = |object: &String| object.ends_with(".ndjson") && !seen.contains(object);
    let new: Vec<String> = all.into_iter().map(|(object, _bytes)| object).filter(is_new).collect();
    let found = stream::iter(new).map(|object| in_object(blob, object, person)).buffer_unordered(AT_ONCE);
    let found: Vec<Found> = found.try_collect().await?;
    let mut letters: BTreeSet<Uuid> = found.iter().flat_map(|found| found.named.iter().copied()).collect();
    let with: Vec<Uuid> = found
        .iter()
        .flat_map(|found| &found.with)
        .filter(|(_, keeper)| letters.contains(keeper))
        .map(|(letter, _)| *letter)
        .collect();
    letters.extend(with);
    let mut to_forget = ToForget { letters, objects: Vec::new() };
    for Found { object, named, with } in found {
        let with_some = with.iter().any(|(letter, _)| to_forget.letters.contains(letter));
        seen.insert(object.clone());
        if !named.is_empty() || with_some {
            to_forget.objects.push(object);
        }
    }
    Ok(to_forget)
}

async fn in_object(blob: &Blob, object: String, person: &Person) -> object_store::Result<Found> {
    let Some(bytes) = blob.find(&object).await? else { return Ok(Found { object, ..Found::default() }) };
    let mut found = Found { object, ..Found::default() };
    for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| Line::read(line, person)) {
        match line {
            Line { letter, names: true, .. } => found.named.push(letter),
            Line { letter, payload: Payload::With(keeper), .. } => found.with.push((letter, keeper)),
            Line { letter, payload: Payload::Apart, .. } => {
                let payload = blob.find(&format!("{PAYLOADS}/{letter}")).await?;
                found.named.extend(payload.filter(|payload| person.is_named_in(payload)).map(|_| letter));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Writes an object anew, in the place of itself: it is the old one or the new one at any time, each line stands where
/// it stood, and lines that are not about these dead letters are the same to the byte. No shipper writes it meanwhile.
pub(super) async fn rewrite(
    pool: &PgPool,
    blob: &Blob,
    object: &str,
    person: &Person,
    letters: &BTreeSet<Uuid>,
) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    // The blob store may take its time.
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '5min'").execute(&mut *tx).await?;
    let lock = "SELECT FROM dead_letter_segments WHERE object = $1 FOR UPDATE";
    sqlx::query(lock).bind(object).execute(&mut *tx).await?;
    if let Some(bytes) = blob.find(object).await? {
        let lines = bytes.split(|byte| *byte == b'\n').map(|line| {
            let read = Line::read(line, person).filter(|read| read.names || letters.contains(&read.letter));
            read.and_then(|_| blanked(line, person)).unwrap_or_else(|| line.to_vec())
        });
        let lines: Vec<Vec<u8>> = lines.collect();
        blob.put(object, lines.join(&b'\n').into()).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Removes the payloads that had an object of their own. One that is not there is gone already.
pub(super) async fn remove_payloads(blob: &Blob, letters: &BTreeSet<Uuid>) -> object_store::Result<u64> {
    let mut removed = 0;
    for letter in letters {
        let object = format!("{PAYLOADS}/{letter}");
        if blob.has(&object).await? {
            blob.delete(&object).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
