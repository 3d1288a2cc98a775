-- Sessions that differ from those that the clicks make by the definition, computed anew, each customer's by the
-- gap that its sessions are said to be by.
WITH clicks AS (
    SELECT click.customer_id, click.id, click.occurred_at, click.type, customer.gap_minutes,
           nullif(event->>'page', '') AS page, event->>'referrer' AS referrer,
           regexp_replace(lower(substring(event->>'page' FROM '^[a-zA-Z-]+://([^/:?#]+)')), '^www\.', '') AS shop,
           lower(substring(event->>'referrer' FROM '^[a-zA-Z-]+://([^/:?#]+)')) AS host
    FROM click_events AS click
    LEFT JOIN session_customers AS customer USING (customer_id)
    WHERE click.customer_id IS NOT NULL
), marked AS (
    SELECT *,
           host IS NOT NULL AND (shop IS NULL OR regexp_replace(host, '^www\.', '') <> shop) AS is_external,
           (occurred_at - lag(occurred_at) OVER (PARTITION BY customer_id ORDER BY occurred_at, id)
               <= make_interval(mins => gap_minutes)) IS NOT TRUE AS is_first
    FROM clicks
), numbered AS (
    SELECT *, count(*) FILTER (WHERE is_first) OVER (PARTITION BY customer_id ORDER BY occurred_at, id) - 1 AS number
    FROM marked
), expected AS (
    SELECT customer_id, number, min(occurred_at) AS started_at, max(occurred_at) AS ended_at,
           max(occurred_at) - min(occurred_at) AS duration, count(*)::int AS events,
           (count(*) FILTER (WHERE type = 'placed_order'))::int AS orders,
           min(occurred_at) FILTER (WHERE type = 'placed_order') AS first_order_at,
           (array_agg(page ORDER BY occurred_at, id) FILTER (WHERE page IS NOT NULL))[1] AS first_page,
           (array_agg(referrer ORDER BY occurred_at, id) FILTER (WHERE is_external))[1] AS referrer,
           (array_agg(host ORDER BY occurred_at, id) FILTER (WHERE is_external))[1] AS referrer_host,
           gap_minutes
    FROM numbered
    GROUP BY customer_id, number, gap_minutes
)
SELECT count(*)
FROM ((TABLE expected EXCEPT ALL TABLE sessions) UNION ALL (TABLE sessions EXCEPT ALL TABLE expected)) AS difference
