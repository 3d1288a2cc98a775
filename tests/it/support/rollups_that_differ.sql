WITH grains AS (SELECT unnest(enum_range(NULL::grain)) AS grain),
lines AS (
    SELECT grain, date_trunc(grain::text, occurred_at, 'UTC') AS starts_at, purchase_id, line,
           coalesce(state, 'unknown') AS state, coalesce(currency, 'unknown') AS currency, article_id,
           quantity::int8 AS units, coalesce(amount, 0) AS amount
    FROM sales CROSS JOIN grains
),
expected AS (
    SELECT 'state' AS rollup, grain, starts_at, state AS dimension, currency,
           count(DISTINCT purchase_id) AS purchases, sum(units) AS units, sum(amount) AS amount
    FROM lines GROUP BY grain, starts_at, state, currency
    UNION ALL
    SELECT 'article', grain, starts_at, article_id::text, currency, count(DISTINCT purchase_id), sum(units), sum(amount)
    FROM lines GROUP BY grain, starts_at, article_id, currency
    UNION ALL
    SELECT 'time', grain, starts_at, '', currency, count(*) FILTER (WHERE line = 1), sum(units), sum(amount)
    FROM lines GROUP BY grain, starts_at, currency
),
kept AS (
    SELECT 'state' AS rollup, grain, starts_at, state AS dimension, currency,
           sum(purchases) AS purchases, sum(units) AS units, sum(amount) AS amount
    FROM sales_by_state GROUP BY grain, starts_at, state, currency
    UNION ALL
    SELECT 'article', grain, starts_at, article_id::text, currency, sum(purchases), sum(units), sum(amount)
    FROM sales_by_article GROUP BY grain, starts_at, article_id, currency
    UNION ALL
    SELECT 'time', grain, starts_at, '', currency, sum(sales), sum(units), sum(amount)
    FROM sales_over_time GROUP BY grain, starts_at, currency
)
SELECT count(*)
FROM expected FULL JOIN kept USING (rollup, grain, starts_at, dimension, currency)
WHERE (expected.purchases, expected.units, expected.amount)
      IS DISTINCT FROM (kept.purchases, kept.units, kept.amount)
