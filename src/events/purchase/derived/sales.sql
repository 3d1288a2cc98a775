-- Hours and days of the sums of purchases that differ from the sum over the rows. Those that begin before rows were
-- removed for their age stay as they are.
WITH removed AS (
    SELECT coalesce((SELECT before FROM expired WHERE kind = 'purchase'), '-infinity') AS before
), lines AS (
    SELECT grain, date_trunc(grain::text, occurred_at, 'UTC') AS starts_at, occurred_at, purchase_id, line,
           coalesce(state, 'unknown') AS state, coalesce(currency, 'unknown') AS currency, article_id, article_name,
           quantity::bigint AS units, coalesce(amount, 0) AS amount
    FROM sales
    CROSS JOIN (VALUES ('hour'::grain), ('day')) AS grains (grain)
    WHERE occurred_at >= coalesce($1::text::timestamptz, '-infinity')
        AND occurred_at < coalesce($2::text::timestamptz, 'infinity')
        AND date_trunc(grain::text, occurred_at, 'UTC') >= (SELECT before FROM removed)
), expected AS (
    SELECT 'sales_by_state' AS what, grain, starts_at, state AS dimension, currency,
           count(DISTINCT purchase_id) AS purchases, sum(units)::bigint AS units, sum(amount) AS amount,
           NULL::text[] AS names, NULL AS name
    FROM lines GROUP BY grain, starts_at, state, currency
    UNION ALL
    SELECT 'sales_by_article', grain, starts_at, article_id::text, currency,
           count(DISTINCT purchase_id), sum(units)::bigint, sum(amount),
           array_agg(DISTINCT article_name) FILTER (WHERE article_name IS NOT NULL),
           (array_agg(article_name ORDER BY occurred_at DESC) FILTER (WHERE article_name IS NOT NULL))[1]
    FROM lines GROUP BY grain, starts_at, article_id, currency
    UNION ALL
    SELECT 'sales_over_time', grain, starts_at, '', currency,
           count(*) FILTER (WHERE line = 1), sum(units)::bigint, sum(amount), NULL, NULL
    FROM lines GROUP BY grain, starts_at, currency
), stored AS (
    SELECT 'sales_by_state' AS what, grain, starts_at, state AS dimension, currency, purchases, units, amount,
           NULL AS name
    FROM sales_by_state
    UNION ALL
    SELECT 'sales_by_article', grain, starts_at, article_id::text, currency, purchases, units, amount, article_name
    FROM sales_by_article
    UNION ALL
    SELECT 'sales_over_time', grain, starts_at, '', currency, sales, units, amount, NULL
    FROM sales_over_time
), found AS (
    SELECT what, grain, starts_at, dimension, currency,
           sum(purchases)::bigint AS purchases, sum(units)::bigint AS units, sum(amount) AS amount,
           array_agg(DISTINCT name) FILTER (WHERE name IS NOT NULL) AS names
    FROM stored
    WHERE grain IN ('hour', 'day')
        AND starts_at >= coalesce($1::text::timestamptz, '-infinity')
        AND starts_at < coalesce($2::text::timestamptz, 'infinity')
        AND starts_at >= (SELECT before FROM removed)
    GROUP BY what, grain, starts_at, dimension, currency
)
SELECT what, concat_ws(' ', grain, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                       nullif(dimension, ''), currency) AS place,
       concat_ws(', ', coalesce(expected.purchases, 0) || ' purchases', coalesce(expected.units, 0) || ' units',
                 coalesce(expected.amount, 0), array_to_string(expected.names, ' or ')) AS expected,
       concat_ws(', ', coalesce(found.purchases, 0) || ' purchases', coalesce(found.units, 0) || ' units',
                 coalesce(found.amount, 0), array_to_string(found.names, ' and ')) AS found,
       grain, starts_at, dimension, currency,
       coalesce(expected.purchases, 0) - coalesce(found.purchases, 0) AS purchases,
       coalesce(expected.units, 0) - coalesce(found.units, 0) AS units,
       coalesce(expected.amount, 0) - coalesce(found.amount, 0) AS amount,
       expected.names, expected.name
FROM expected
FULL JOIN found USING (what, grain, starts_at, dimension, currency)
WHERE coalesce(expected.purchases, 0) <> coalesce(found.purchases, 0)
    OR coalesce(expected.units, 0) <> coalesce(found.units, 0)
    OR coalesce(expected.amount, 0) <> coalesce(found.amount, 0)
    -- Of the names that the rows have, whichever was last seen.
    OR (expected.purchases > 0
        AND (NOT coalesce(found.names, '{}') <@ coalesce(expected.names, '{}')
             OR (found.names IS NULL AND expected.names IS NOT NULL)))
