//! The ledger against the rows and the dead letters that it counts.

use sqlx::AssertSqlSafe;

use super::{Checked, Unverified, Verifier};
use crate::events::{Difference, KINDS, Kind};

pub(super) const NAME: &str = "ledger";

impl Verifier {
    /// The ledger is no sum that could be made again: what differs is told, and left.
    pub(super) async fn ledger(&self) -> Result<Checked, Unverified> {
        let mut checked = Checked::new(NAME);
        for kind in KINDS {
            self.go_on(NAME, kind.name)?;
            checked.left(self.ledger_of(kind).await?);
        }
        Ok(checked)
    }

    async fn ledger_of(&self, kind: &Kind) -> sqlx::Result<Vec<Difference>> {
        let mut tx = self.begin().await?;
        let sql = include_str!("ledger.sql").replace("rows_of_the_kind", kind.table);
        let sql = sql.replace("rows_elsewhere", kind.elsewhere.unwrap_or("SELECT 0"));
        let differences = sqlx::query_as(AssertSqlSafe(sql)).bind(kind.name).fetch_all(&mut *tx).await?;
        tx.commit().await?;
        Ok(differences)
    }
}
