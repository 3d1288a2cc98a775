counted AS (
    UPDATE order_events SET line_items = difference.line_items, units = difference.units
    FROM difference
    WHERE order_events.event_id = difference.event_id
)
