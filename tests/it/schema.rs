//! The database explains itself.

use crate::support::Rig;

#[tokio::test]
async fn every_table_and_column_of_ours_has_a_comment() {
    let rig = Rig::new().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT relname || coalesce('.' || attname, '')
         FROM pg_class
         LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
           AND relname NOT IN ('_sqlx_migrations', 'users', 'articles')
           AND (col_description(pg_class.oid, attnum) IS NULL OR obj_description(pg_class.oid, 'pg_class') IS NULL)
         ORDER BY 1",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}

/// Tables of others are dropped and made again: nothing of ours may stand in the way, or go with them. And a
/// foreign key or a trigger is paid for with every row.
#[tokio::test]
async fn nothing_hangs_on_tables_of_others_and_no_row_costs_a_trigger() {
    let rig = Rig::new().await;
    let views = "SELECT count(*) FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
                 WHERE classid = 'pg_rewrite'::regclass AND ev_class <> refobjid
                     AND refobjid IN ('users'::regclass, 'articles'::regclass, 'orders'::regclass, 'order_items'::regclass)";
    assert_eq!(rig.number(views).await, 0, "views");
    let triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(rig.number(triggers).await, 0, "triggers");
    let keys: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' ORDER BY 1",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    assert_eq!(keys, ["dead_letters"], "foreign keys, of cold tables only");
}

/// An update of a sum stays within its page: there is room, and no index has to follow.
#[tokio::test]
async fn sums_have_room_on_their_pages_and_no_index_but_the_key() {
    let rig = Rig::new().await;
    let sums: Vec<(String, bool, i64)> = sqlx::query_as(
        "SELECT relname::text, 'fillfactor=50' = ANY (reloptions), (SELECT count(*) FROM pg_index WHERE indrelid = pg_class.oid)
         FROM pg_class
         WHERE oid IN (SELECT attrelid FROM pg_attribute WHERE attname = 'shard' AND attnum > 0) AND relkind = 'r'
         ORDER BY 1",
    )
    .fetch_all(rig.pool())
    .await
    .unwrap();
    assert!(sums.len() >= 6, "{sums:?}");
    assert!(sums.iter().all(|(_, has_room, indexes)| *has_room && *indexes == 1), "{sums:?}");
}
