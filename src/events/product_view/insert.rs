//! Product views into their table.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ProductView, Row, content_hash, history};
use crate::domain::Platform;
use crate::events::table::Target;
use crate::events::{ContentHash, FORGOTTEN};
use crate::pipeline::copy::BinaryCopy;

const VIEWS: Target = Target {
    table: "product_views",
    columns: "id, occurred_at, received_at, platform, product, mpid, session_id, event_id",
    key: "id",
};

/// Inserts the views that are neither there yet nor in the history.
pub(super) async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
    let mut copy = BinaryCopy::new(8);
    for row in rows {
        let Row { view: ProductView { id, occurred_at, platform, product, mpid, session_id, event_id }, received_at } =
            row;
        copy.row().value(id)?.value(occurred_at)?.value(received_at)?.value(platform.as_str())?.value(&**product)?;
        copy.value(mpid.as_deref())?.value(session_id.as_deref())?.value(event_id.as_deref())?;
    }
    let inserted = VIEWS.insert_new(conn, &copy).await?.keys(rows.iter().map(|row| row.view.id));
    history::without_moved(conn, rows, inserted).await
}

#[derive(sqlx::FromRow)]
struct Stored {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    platform: String,
    product: String,
    mpid: Option<String>,
    session_id: Option<String>,
    event_id: Option<String>,
    forgotten: Option<bool>,
}

/// The hashes of stored views. All that is hashed stands in the columns: a hash beside them would only make
/// the table larger. What a view in the history holds is not read: it equals any content.
pub(super) async fn stored(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, ContentHash>> {
    let rows: Vec<Stored> = sqlx::query_as(
        "SELECT id, occurred_at, platform, product, mpid, session_id, event_id, forgotten
         FROM product_views WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(&mut *conn)
    .await?;
    let hash = |row: Stored| match row.forgotten {
        Some(true) => Some((row.id, FORGOTTEN)),
        _ => Some((row.id, content_hash(&row.view()?))),
    };
    let mut stored: HashMap<Uuid, ContentHash> = rows.into_iter().filter_map(hash).collect();
    // Asked for afterwards: a view that was moved after the first question is found by the second.
    let gone: Vec<Uuid> = ids.iter().filter(|id| !stored.contains_key(id)).copied().collect();
    stored.extend(history::moved(conn, &gone).await?.into_iter().map(|id| (id, FORGOTTEN)));
    Ok(stored)
}

impl Stored {
    fn view(self) -> Option<ProductView> {
        let Stored { id, occurred_at, platform, product, mpid, session_id, event_id, forgotten: _ } = self;
        let boxed = |text: Option<String>| text.map(String::into_boxed_str);
        let (product, platform) = (product.into_boxed_str(), Platform::parse(&platform)?);
        let (mpid, session_id, event_id) = (boxed(mpid), boxed(session_id), boxed(event_id));
        Some(ProductView { id, occurred_at, platform, product, mpid, session_id, event_id })
    }
}
