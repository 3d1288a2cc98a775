//! What is derived, slice by slice: compared, mended, and compared again.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};

use super::{Checked, Unverified, Verifier};
use crate::events::{Comparison, Derived, Difference, Slice};

/// The advisory lock of whoever mends: one at a time, or two would add the same difference.
pub(crate) const REPAIR: i64 = 0x7075_7273_6d65_6e64;
/// How often it is tried to keep writers out, and how long it is waited in between.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(300);

impl Verifier {
    /// Compares what is derived with its rows, and mends it when that was asked for.
    pub(super) async fn derived(&self, derived: &Derived) -> Result<Checked, Unverified> {
        let mut checked = Checked::new(derived.name);
        for slice in self.slices(derived).await? {
            self.go_on(derived.name, slice.from.as_deref().unwrap_or("the beginning"))?;
            let mut differences = self.differences(derived, &slice).await?;
            if self.repair && !differences.is_empty() {
                let mut mended = self.mend(derived, &slice).await?;
                differences = self.differences(derived, &slice).await?;
                mended
                    .retain(|one| differences.iter().all(|left| (&left.what, &left.place) != (&one.what, &one.place)));
                checked.mended(mended);
            }
            checked.left(differences);
        }
        Ok(checked)
    }

    /// All that there is, in parts.
    async fn slices(&self, derived: &Derived) -> sqlx::Result<Vec<Slice>> {
        let cuts: Vec<String> = match derived.cuts {
            Some(cuts) => sqlx::query_scalar(cuts).fetch_all(&mut *self.begin().await?).await?,
            None => Vec::new(),
        };
        let ends = cuts.iter().cloned().map(Some).chain([None]);
        let begins = [None].into_iter().chain(cuts.iter().cloned().map(Some));
        Ok(begins.zip(ends).map(|(from, to)| Slice { from, to }).collect())
    }

    /// A transaction for a statement that may take longer than those of a worker.
    pub(super) async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = '1h'").execute(&mut *tx).await?;
        Ok(tx)
    }

    async fn differences(&self, derived: &Derived, slice: &Slice) -> sqlx::Result<Vec<Difference>> {
        let mut tx = self.begin().await?;
        let differences = match derived.comparison {
            Comparison::Sql { differences, .. } => {
                query(&mut tx, format!("WITH difference AS ({differences})"), derived, slice).await?
            }
            Comparison::Code { differences, .. } => differences(&mut tx, slice).await?,
        };
        tx.commit().await?;
        Ok(differences)
    }

    /// Mends a slice, and says what. Where writers are to be kept out, it waits only shortly for them to be
    /// gone, because others wait behind it, and tries again.
    async fn mend(&self, derived: &Derived, slice: &Slice) -> Result<Vec<Difference>, Unverified> {
        let mut tries = 0;
        loop {
            self.go_on(derived.name, "repairing")?;
            match self.mend_once(derived, slice).await {
                Err(error) if tries < TRIES && gave_way(&error) => tries += 1,
                mended => return Ok(mended?),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn mend_once(&self, derived: &Derived, slice: &Slice) -> sqlx::Result<Vec<Difference>> {
        let mut tx = self.begin().await?;
        sqlx::query("SET LOCAL lock_timeout = 0").execute(&mut *tx).await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(REPAIR).execute(&mut *tx).await?;
        sqlx::query("SET LOCAL lock_timeout = '500ms'").execute(&mut *tx).await?;
        if let Some(hold) = derived.hold {
            sqlx::query(hold).execute(&mut *tx).await?;
        }
        let mended = match derived.comparison {
            Comparison::Sql { differences, mend } => {
                let with = format!("WITH difference AS MATERIALIZED ({differences}), {mend}");
                query(&mut tx, with, derived, slice).await?
            }
            Comparison::Code { mend, .. } => mend(&mut tx, slice).await?,
        };
        tx.commit().await?;
        Ok(mended)
    }
}

/// Of what is `difference` in this `WITH`, what is to be told. Planned anew each time: it depends on the slice.
async fn query(
    conn: &mut PgConnection,
    with: String,
    derived: &Derived,
    slice: &Slice,
) -> sqlx::Result<Vec<Difference>> {
    let select = AssertSqlSafe(with + " SELECT what, place, expected, found FROM difference");
    let query = sqlx::query_as(select).persistent(false);
    match derived.cuts {
        Some(_) => query.bind(&slice.from).bind(&slice.to).fetch_all(conn).await,
        None => query.fetch_all(conn).await,
    }
}

/// It waited too long for a lock, or ran into a deadlock: nothing was done.
fn gave_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "55P03" || code.starts_with("40"))
}
