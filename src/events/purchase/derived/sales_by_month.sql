-- Months of the sums of purchases that differ from the sum over their days.
WITH stored AS (
    SELECT 'sales_by_state' AS what, grain, starts_at, state AS dimension, currency, purchases, units, amount,
           NULL AS name
    FROM sales_by_state
    UNION ALL
    SELECT 'sales_by_article', grain, starts_at, article_id::text, currency, purchases, units, amount, article_name
    FROM sales_by_article
    UNION ALL
    SELECT 'sales_over_time', grain, starts_at, '', currency, sales, units, amount, NULL
    FROM sales_over_time
), slice AS (
    SELECT *
    FROM stored
    WHERE grain IN ('day', 'month')
        AND starts_at >= coalesce($1::text::timestamptz, '-infinity')
        AND starts_at < coalesce($2::text::timestamptz, 'infinity')
), expected AS (
    SELECT what, date_trunc('month', starts_at, 'UTC') AS starts_at, dimension, currency,
           sum(purchases)::bigint AS purchases, sum(units)::bigint AS units, sum(amount) AS amount,
           array_agg(DISTINCT name) FILTER (WHERE name IS NOT NULL) AS names,
           (array_agg(name ORDER BY starts_at DESC) FILTER (WHERE name IS NOT NULL))[1] AS name
    FROM slice
    WHERE grain = 'day'
    GROUP BY what, date_trunc('month', starts_at, 'UTC'), dimension, currency
), found AS (
    SELECT what, starts_at, dimension, currency,
           sum(purchases)::bigint AS purchases, sum(units)::bigint AS units, sum(amount) AS amount,
           array_agg(DISTINCT name) FILTER (WHERE name IS NOT NULL) AS names
    FROM slice
    WHERE grain = 'month'
    GROUP BY what, starts_at, dimension, currency
)
SELECT what, concat_ws(' ', 'month', to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                       nullif(dimension, ''), currency) AS place,
       concat_ws(', ', coalesce(expected.purchases, 0) || ' purchases', coalesce(expected.units, 0) || ' units',
                 coalesce(expected.amount, 0), array_to_string(expected.names, ' or ')) AS expected,
       concat_ws(', ', coalesce(found.purchases, 0) || ' purchases', coalesce(found.units, 0) || ' units',
                 coalesce(found.amount, 0), array_to_string(found.names, ' and ')) AS found,
       'month'::grain AS grain, starts_at, dimension, currency,
       coalesce(expected.purchases, 0) - coalesce(found.purchases, 0) AS purchases,
       coalesce(expected.units, 0) - coalesce(found.units, 0) AS units,
       coalesce(expected.amount, 0) - coalesce(found.amount, 0) AS amount,
       expected.names, expected.name
FROM expected
FULL JOIN found USING (what, starts_at, dimension, currency)
WHERE coalesce(expected.purchases, 0) <> coalesce(found.purchases, 0)
    OR coalesce(expected.units, 0) <> coalesce(found.units, 0)
    OR coalesce(expected.amount, 0) <> coalesce(found.amount, 0)
    OR (expected.purchases > 0
        AND (NOT coalesce(found.names, '{}') <@ coalesce(expected.names, '{}')
             OR (found.names IS NULL AND expected.names IS NOT NULL)))
