//! What an analyst's role may see.

use std::collections::BTreeMap;

use purser::database;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::support::{Rig, orders, shop};

/// A role that dies with its database.
struct Role {
    name: String,
    url: String,
}

impl Role {
    async fn new(rig: &Rig) -> Role {
        let name = format!("analyst-{}", Uuid::now_v7());
        rig.execute(format!("CREATE ROLE \"{name}\" LOGIN")).await;
        let mut url: url::Url = rig.url.parse().unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(key, _)| key != "user").collect();
        url.query_pairs_mut().clear().extend_pairs(pairs).append_pair("user", &name);
        Role { name, url: url.to_string() }
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    async fn leave(self, rig: &Rig) {
        rig.execute(format!("DROP OWNED BY \"{0}\"; DROP ROLE \"{0}\"", self.name)).await;
    }
}

/// What nobody but the owner sees. Everything else is shown.
const HIDDEN: [&str; 16] = [
    "_sqlx_migrations.*",
    "breakers.because",
    "click_events.event",
    "dead_letter_outbox.*",
    "dead_letters.because",
    "dead_letters.delivery_id",
    "dead_letters.event_key",
    "forgetting.*",
    "history_forgotten.*",
    "ingested_files.path",
    "order_events.email",
    "order_events.payload",
    "users.address",
    "users.email",
    "users.name",
    "users.number",
];

/// Every column of every table and view, and whether the role can select it.
async fn columns(rig: &Rig, role: &Role) -> BTreeMap<String, bool> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT relname::text, attname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p') AND attnum > 0 AND NOT attisdropped",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    let mut conn = role.connect().await;
    let mut seen = BTreeMap::new();
    for (table, column) in columns {
        let select = format!("SELECT \"{column}\" FROM \"{table}\" LIMIT 1");
        let selected = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut conn).await;
        if let Err(error) = &selected {
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{error}");
        }
        seen.insert(format!("{table}.{column}"), selected.is_ok());
    }
    seen
}

#[tokio::test]
async fn a_reader_sees_all_but_personal_data() {
    let rig = Rig::new().await;
    rig.words([shop::purchase(Uuid::now_v7()).to_string(), "not json".to_owned()]).await;
    rig.words_as("order", [orders::order("o1").to_string()]).await;
    let role = Role::new(&rig).await;
    for _ in 0..2 {
        assert_eq!(database::grant_reader(rig.pool(), &role.name).await.unwrap(), [""; 0]);
    }
    // A table that is new must be shown, or be listed as hidden, there and here.
    for (column, seen) in columns(&rig, &role).await {
        let table = column.split('.').next().unwrap();
        let hidden = HIDDEN.contains(&column.as_str()) || HIDDEN.contains(&format!("{table}.*").as_str());
        assert_eq!(seen, !hidden, "{column}");
    }
    let mut conn = role.connect().await;
    let sold: i64 = sqlx::query("SELECT count(*) FROM sales").fetch_one(&mut conn).await.unwrap().get(0);
    assert_eq!(sold, 2);
    for refused in ["DELETE FROM purchases", "UPDATE session_settings SET gap_minutes = 1", "CREATE TABLE mine ()"] {
        let error = sqlx::query(refused).execute(&mut conn).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{refused}");
    }
    role.leave(&rig).await;
}

#[tokio::test]
async fn what_was_granted_before_is_taken_away() {
    let rig = Rig::new().await;
    let role = Role::new(&rig).await;
    for grant in ["ALL ON users", "SELECT (payload) ON order_events", "SELECT ON dead_letter_outbox", "DELETE ON sales"]
    {
        rig.execute(format!("GRANT {grant} TO \"{}\"", role.name)).await;
    }
    database::grant_reader(rig.pool(), &role.name).await.unwrap();
    let seen = columns(&rig, &role).await;
    for hidden in ["users.email", "order_events.payload", "dead_letter_outbox.record"] {
        assert!(!seen[hidden], "{hidden}");
    }
    let privileges: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT privilege_type::text FROM information_schema.role_table_grants WHERE grantee = $1",
    )
    .bind(&role.name)
    .fetch_all(rig.pool())
    .await
    .unwrap();
    assert_eq!(privileges, ["SELECT"]);
    role.leave(&rig).await;
}

#[tokio::test]
async fn a_role_that_cannot_be_kept_out_is_refused() {
    let rig = Rig::new().await;
    let refused = database::grant_reader(rig.pool(), "nobody at all").await.unwrap_err().to_string();
    assert!(refused.contains("there is no role \"nobody at all\""), "{refused}");
    let role = Role::new(&rig).await;
    rig.execute("GRANT SELECT ON users TO PUBLIC".to_owned()).await;
    let refused = database::grant_reader(rig.pool(), &role.name).await.unwrap_err().to_string();
    assert!(refused.contains("users.address") && refused.contains("nothing was granted"), "{refused}");
    assert!(!columns(&rig, &role).await["sales.amount"]);
    role.leave(&rig).await;
}

#[tokio::test]
async fn tables_of_a_foreign_producer_are_given_as_they_are() {
    let rig = Rig::new().await;
    let role = Role::new(&rig).await;
    rig.execute("DROP TABLE users, articles".to_owned()).await;
    rig.execute("CREATE TABLE users (id varchar PRIMARY KEY, address varchar)".to_owned()).await;
    database::grant_reader(rig.pool(), &role.name).await.unwrap();
    let seen = columns(&rig, &role).await;
    assert_eq!((seen["users.id"], seen["users.address"]), (true, false));
    assert_eq!(seen.get("articles.id"), None);
    role.leave(&rig).await;
}
