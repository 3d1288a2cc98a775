//! Views in the history. Its files are rewritten by a command of its own, for which the person is noted.

use sqlx::PgPool;

use crate::database::Run;
use crate::domain::Person;

/// Notes the person where the history has files, before anything is changed in the table: what is moved from there on
/// has the pseudonym. Says whether there are files to be rewritten. Who was noted before keeps the pseudonym.
pub(super) async fn note(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<bool> {
    let has_files: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM history_files WHERE removed_at IS NULL)")
        .fetch_one(pool)
        .await?;
    if !has_files || person.ids.is_empty() {
        return Ok(false);
    }
    if run == Run::Real {
        let (ids, pseudonyms) = person.columns();
        let insert = "INSERT INTO history_forgotten (id, pseudonym) SELECT * FROM UNNEST($1::text[], $2::uuid[])
                      ON CONFLICT (id) DO NOTHING";
        sqlx::query(insert).bind(ids).bind(pseudonyms).execute(pool).await?;
    }
    Ok(true)
}
