//! Who may change the sessions of a customer, and by which gap.

use std::collections::BTreeSet;

use sqlx::PgConnection;

/// Of the advisory lock that everybody shares who acts upon the gap, so that nobody does while it changes.
const GAP: i64 = 0x7075_7273_6761_7000;

/// Holds the rows of these customers until the transaction ends; those that are missing are made. Whatever is
/// read of their sessions in a *later* statement stays as it is until then.
pub(super) async fn hold(conn: &mut PgConnection, customers: &BTreeSet<&str>) -> sqlx::Result<()> {
    if customers.is_empty() {
        return Ok(());
    }
    share_gap(conn).await?;
    // Both in the order of the set, in which every transaction locks customers.
    let customers: Vec<&str> = customers.iter().copied().collect();
    let make = sqlx::query(
        "INSERT INTO session_customers (customer_id, gap_minutes)
         SELECT customer_id, (SELECT gap_minutes FROM session_settings)
         FROM UNNEST($1::text[]) AS touched (customer_id)
         ON CONFLICT (customer_id) DO NOTHING",
    );
    make.bind(&customers).execute(&mut *conn).await?;
    let lock = sqlx::query("SELECT FROM session_customers WHERE customer_id = ANY($1) ORDER BY customer_id FOR UPDATE");
    lock.bind(&customers).execute(conn).await?;
    Ok(())
}

/// Takes those away again who have no clicks: a click under the key of one whose customer was forgotten is not stored.
pub(super) async fn let_go(conn: &mut PgConnection, customers: &BTreeSet<&str>) -> sqlx::Result<()> {
    let customers: Vec<&str> = customers.iter().copied().collect();
    let delete = sqlx::query(
        "DELETE FROM session_customers AS customer WHERE customer_id = ANY($1)
             AND NOT EXISTS (SELECT FROM click_events AS click WHERE click.customer_id = customer.customer_id)",
    );
    delete.bind(customers).execute(conn).await?;
    Ok(())
}

/// The gap stays what it is until the transaction ends. It is to be read in a later statement.
pub(super) async fn share_gap(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(GAP).execute(conn).await?;
    Ok(())
}

/// Nobody acts upon the gap until the transaction ends: those who did have committed.
pub(super) async fn own_gap(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(GAP).execute(conn).await?;
    Ok(())
}
