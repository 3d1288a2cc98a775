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
