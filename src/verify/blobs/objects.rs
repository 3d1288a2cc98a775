//! Objects that the database does not know.

use std::collections::HashSet;

use futures::TryStreamExt as _;
use uuid::Uuid;

use super::{NAME, difference};
use crate::blob::Blob;
use crate::dead_letters::FOLDER;
use crate::pipeline::dead_letter::PAYLOADS;
use crate::verify::{Checked, Unverified, Verifier};

/// Objects that are asked for at once.
const OBJECTS: usize = 1000;

impl Verifier {
    /// Every object of the folder. It is listed first and asked for afterwards: an object is written only when
    /// the database knows of it.
    pub(super) async fn objects(&self, blob: &Blob, checked: &mut Checked) -> Result<(), Unverified> {
        let mut objects = blob.list(FOLDER).map_ok(|(object, _bytes)| object).try_chunks(OBJECTS);
        while let Some(objects) = objects.try_next().await.map_err(|error| error.1)? {
            self.go_on(NAME, objects.first().map_or(FOLDER, String::as_str))?;
            let (payloads, segments): (Vec<String>, Vec<String>) =
                objects.into_iter().partition(|object| object.starts_with(&format!("{PAYLOADS}/")));
            let unknown =
                self.unknown_segments(segments).await?.into_iter().chain(self.unknown_payloads(payloads).await?);
            checked.left(unknown.map(|object| difference(NAME, &object, "a row of the index", "none")).collect());
        }
        Ok(())
    }

    async fn unknown_segments(&self, objects: Vec<String>) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT object FROM UNNEST($1::text[]) AS object
             WHERE NOT EXISTS (SELECT FROM dead_letter_segments AS segment WHERE segment.object = object.object)
             ORDER BY object",
        )
        .bind(objects)
        .fetch_all(&self.pool)
        .await
    }

    /// Payloads are named by their dead letters.
    async fn unknown_payloads(&self, objects: Vec<String>) -> sqlx::Result<Vec<String>> {
        let letter = |object: &String| object.rsplit('/').next().and_then(|id| Uuid::parse_str(id).ok());
        let ids: Vec<Uuid> = objects.iter().filter_map(letter).collect();
        let known: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM dead_letters WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(&self.pool)
            .await?;
        let known: HashSet<Uuid> = known.into_iter().collect();
        Ok(objects.into_iter().filter(|object| letter(object).is_none_or(|id| !known.contains(&id))).collect())
    }
}
