//! Orders without who ordered.

use sqlx::PgPool;

use crate::database::{Run, in_pages};
use crate::domain::Person;

/// Everything that counts stands in columns: the payload is made anew of them. An order of somebody else that names
/// one of the person's addresses keeps its customer, and loses what else it says.
pub(super) async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
    let (ids, pseudonyms) = person.columns();
    let patterns = person.patterns();
    let bind = |part| {
        let part: sqlx::query::Query<'_, _, _> = part;
        part.bind(ids.clone()).bind(pseudonyms.clone()).bind(patterns.clone())
    };
    in_pages(pool, "order_events", run, UPDATE, bind).await
}

const UPDATE: &str = "
    UPDATE order_events SET
        user_id = found.user_id,
        email = NULL,
        content_hash = '',
        payload = jsonb_strip_nulls(jsonb_build_object(
            'event_type', 'order.created', 'event_id', found.event_id, 'event_date', event_date,
            'user_id', found.user_id, 'currency', currency, 'financial_status', financial_status,
            'order_value', order_value, 'total_discounts', total_discounts, 'total_tax', total_tax,
            'buyer_accepts_marketing', buyer_accepts_marketing,
            'shipping_address', CASE WHEN province IS NOT NULL THEN jsonb_build_object('province', province) END,
            'line_items', (SELECT jsonb_agg(jsonb_build_object('id', item_id, 'quantity', quantity) ORDER BY line)
                           FROM order_event_items AS item WHERE item.event_id = found.event_id)))
    FROM (SELECT event_id, coalesce(person.pseudonym::text, user_id) AS user_id
          FROM order_events
          LEFT JOIN UNNEST($3::text[], $4::uuid[]) AS person (id, pseudonym) ON user_id = person.id
          WHERE order_events.ctid >= $1::text::tid AND order_events.ctid < $2::text::tid
              AND (person.id IS NOT NULL OR email ~* ANY ($5) OR payload::text ~* ANY ($5))) AS found
    WHERE order_events.event_id = found.event_id";
