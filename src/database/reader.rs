//! What a reader, such as an analyst's role, may see: everything that is counted, and nothing that holds
//! payloads, names, postal addresses, e-mail addresses or telephone numbers, nor what a sender could have
//! put them into unchecked.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

/// What of a table or view a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// All of it.
    Whole,
    /// These columns.
    Columns(&'static [&'static str]),
    /// Nothing.
    Private,
}

/// Every table and view of ours. What is not named here nobody is given.
const RELATIONS: &[(&str, Share)] = &[
    ("_sqlx_migrations", Share::Private),
    ("ab_audience", Share::Whole),
    ("ab_events", Share::Whole),
    ("ab_events_enriched", Share::Whole),
    ("ab_split", Share::Whole),
    ("ab_users", Share::Whole),
    ("ab_versions", Share::Whole),
    ("articles", Share::Columns(&["id", "name", "price", "currency"])),
    ("batches", Share::Whole),
    ("breaker_reports", Share::Whole),
    // `because` is what a person wrote.
    ("breakers", Share::Columns(&["kind", "subscription", "state", "cause", "since", "forced_until", "revision"])),
    // `event` is what the client sent: addresses of computers, searches, whatever it may add.
    (
        "click_events",
        Share::Columns(&["id", "type", "customer_id", "occurred_at", "received_at", "content_hash", "hash_version"]),
    ),
    ("click_sessions", Share::Whole),
    ("dead_letter_outbox", Share::Private),
    ("dead_letter_segments", Share::Whole),
    // `event_key` and `delivery_id` come from messages that were refused: they may hold anything. `because` is what a
    // person wrote.
    (
        "dead_letters",
        Share::Columns(&[
            "id",
            "kind",
            "reason",
            "class",
            "fingerprint",
            "codes",
            "position",
            "received_at",
            "failed_at",
            "status",
            "segment",
            "line",
            "attempt",
            "causes",
            "payload_bytes",
            "status_at",
            "ready",
        ]),
    ),
    ("expired", Share::Whole),
    ("expired_ab_events", Share::Whole),
    ("forgetting", Share::Private),
    ("history", Share::Whole),
    ("history_files", Share::Whole),
    ("history_forgotten", Share::Private),
    // `path` may be a signed URL.
    (
        "ingested_files",
        Share::Columns(&[
            "kind",
            "sha256",
            "first_ingested_at",
            "committed_position",
            "records",
            "finished_at",
            "into_history",
        ]),
    ),
    ("moved_product_views", Share::Whole),
    ("order_event_items", Share::Whole),
    // `email`, and `payload` with names, addresses and telephone numbers.
    (
        "order_events",
        Share::Columns(&[
            "event_id",
            "event_date",
            "received_at",
            "ordered_at",
            "user_id",
            "financial_status",
            "currency",
            "order_value",
            "total_discounts",
            "total_tax",
            "buyer_accepts_marketing",
            "province",
            "province_key",
            "line_items",
            "units",
            "content_hash",
            "hash_version",
        ]),
    ),
    ("order_items", Share::Columns(&["id", "order_id", "code_color", "quantity"])),
    ("orders", Share::Columns(&["id", "user_id", "order_date", "order_status", "device_type", "order_total"])),
    ("product_views", Share::Whole),
    ("purchase_items", Share::Whole),
    ("purchases", Share::Whole),
    ("reference_sizes", Share::Whole),
    ("rejections", Share::Whole),
    ("sales", Share::Whole),
    ("sales_by_article", Share::Whole),
    ("sales_by_state", Share::Whole),
    ("sales_over_time", Share::Whole),
    ("session_customers", Share::Whole),
    ("session_settings", Share::Whole),
    ("sessions", Share::Whole),
    ("shoppers", Share::Columns(&["user_id", "country", "gender"])),
    // Name, address, number and e-mail are the person.
    ("users", Share::Columns(&["id"])),
    // `reference_id` is an id that was well formed and not found.
    ("waiting", Share::Whole),
];

/// Gives a role that exists exactly what a reader may see, and takes away what else it was given of ours.
///
/// Says which tables it could not give, because they are somebody else's.
///
/// # Errors
/// When there is no such role, when it sees more by other ways (then nothing has changed), and when the
/// database cannot be asked.
pub async fn grant_reader(pool: &PgPool, role: &str) -> anyhow::Result<Vec<&'static str>> {
    let mut tx = pool.begin().await?;
    let quoted: Option<String> = sqlx::query_scalar("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1")
        .bind(role)
        .fetch_optional(&mut *tx)
        .await?;
    let quoted = quoted.with_context(|| format!("there is no role {role:?}: make it first (CREATE ROLE … LOGIN)"))?;
    let (mut statements, mut theirs) = (entry(&mut tx, role, &quoted).await?, Vec::new());
    for (relation, share) in RELATIONS {
        match Found::of(&mut tx, relation).await? {
            None => {}
            Some(Found { is_ours: false, .. }) if *share != Share::Private => theirs.push(*relation),
            Some(found) => statements.push_str(&found.grant(relation, *share, &quoted)),
        }
    }
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *tx).await?;
    refuse_other_ways(&mut tx, role).await?;
    tx.commit().await?;
    Ok(theirs)
}

/// The way in, where it is not open to everybody.
async fn entry(conn: &mut PgConnection, role: &str, quoted: &str) -> sqlx::Result<String> {
    let missing = sqlx::query_as(
        "SELECT NOT has_database_privilege($1, current_database(), 'CONNECT'), quote_ident(current_database()),
                NOT has_schema_privilege($1, current_schema(), 'USAGE'), quote_ident(current_schema())",
    );
    let (connect, database, usage, schema): (bool, String, bool, String) = missing.bind(role).fetch_one(conn).await?;
    let mut statements = String::new();
    if connect {
        let _ = write!(statements, "GRANT CONNECT ON DATABASE {database} TO {quoted};");
    }
    if usage {
        let _ = write!(statements, "GRANT USAGE ON SCHEMA {schema} TO {quoted};");
    }
    Ok(statements)
}

/// A relation as it is in this database.
struct Found {
    /// Whether whoever migrates may give it away.
    is_ours: bool,
    columns: Vec<String>,
}

impl Found {
    async fn of(conn: &mut PgConnection, relation: &str) -> sqlx::Result<Option<Self>> {
        let found: Option<(bool, Vec<String>)> = sqlx::query_as(
            "SELECT pg_has_role(relowner, 'USAGE'),
                    ARRAY(SELECT attname::text FROM pg_attribute
                          WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped)
             FROM pg_class WHERE oid = to_regclass($1)",
        )
        .bind(relation)
        .fetch_optional(conn)
        .await?;
        Ok(found.map(|(is_ours, columns)| Found { is_ours, columns }))
    }

    /// Takes everything away, columns included, and gives what is to be given.
    fn grant(&self, relation: &str, share: Share, quoted: &str) -> String {
        if !self.is_ours {
            return String::new();
        }
        let mut statements = format!("REVOKE ALL ON {relation} FROM {quoted};");
        let _ = match share {
            Share::Whole => write!(statements, "GRANT SELECT ON {relation} TO {quoted};"),
            Share::Private => Ok(()),
            // Somebody else's table may lack some.
            Share::Columns(columns) => {
                let there = columns.iter().filter(|column| self.columns.iter().any(|there| there == *column));
                let there: Vec<&str> = there.copied().collect();
                match there.is_empty() {
                    true => Ok(()),
                    false => write!(statements, "GRANT SELECT ({}) ON {relation} TO {quoted};", there.join(", ")),
                }
            }
        };
        statements
    }
}

/// A grant to everybody, a role above this one, a superuser: nothing of that can be taken away here.
async fn refuse_other_ways(conn: &mut PgConnection, role: &str) -> anyhow::Result<()> {
    let mut seen = Vec::new();
    for (relation, share) in RELATIONS {
        let shared: &[&str] = match share {
            Share::Whole => continue,
            Share::Columns(columns) => columns,
            Share::Private => &[],
        };
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute
             WHERE attrelid = to_regclass($2) AND attnum > 0 AND NOT attisdropped AND attname <> ALL ($3)
                 AND has_column_privilege($1, attrelid, attnum, 'SELECT')",
        )
        .bind(role)
        .bind(relation)
        .bind(shared)
        .fetch_all(&mut *conn)
        .await?;
        seen.extend(columns.iter().map(|column| format!("{relation}.{column}")));
    }
    if seen.is_empty() {
        return Ok(());
    }
    bail!(
        "{role} could still see {}: it is a superuser, the owner, or has it through another role or through PUBLIC; \
         nothing was granted",
        seen.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_in_order_and_stand_once() {
        assert!(RELATIONS.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
