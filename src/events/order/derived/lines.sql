-- Orders that count other lines than they have, and lines without an order.
WITH expected AS (
    SELECT event_id, count(*)::integer AS line_items, sum(quantity)::bigint AS units
    FROM order_event_items
    WHERE ($1::text IS NULL OR event_id >= $1) AND ($2::text IS NULL OR event_id < $2)
    GROUP BY event_id
), found AS (
    SELECT event_id, line_items, units
    FROM order_events
    WHERE ($1::text IS NULL OR event_id >= $1) AND ($2::text IS NULL OR event_id < $2)
)
SELECT 'order_events' AS what, 'order ' || event_id AS place,
       concat(coalesce(expected.line_items, 0), ' line_items, ', coalesce(expected.units, 0), ' units') AS expected,
       coalesce(found.line_items || ' line_items, ' || found.units || ' units', 'no row') AS found,
       event_id, coalesce(expected.line_items, 0) AS line_items, coalesce(expected.units, 0) AS units
FROM expected
FULL JOIN found USING (event_id)
WHERE (coalesce(expected.line_items, 0), coalesce(expected.units, 0)) IS DISTINCT FROM (found.line_items, found.units)
