by_state AS (
    INSERT INTO sales_by_state AS sum (grain, starts_at, state, currency, shard, purchases, units, amount)
    SELECT grain, starts_at, dimension, currency, 16, purchases, units, amount
    FROM difference WHERE what = 'sales_by_state'
    ON CONFLICT (grain, starts_at, state, currency, shard) DO UPDATE SET
        purchases = sum.purchases + EXCLUDED.purchases,
        units = sum.units + EXCLUDED.units,
        amount = sum.amount + EXCLUDED.amount
), by_article AS (
    INSERT INTO sales_by_article AS sum
        (grain, starts_at, article_id, currency, shard, purchases, units, amount, article_name)
    SELECT grain, starts_at, dimension::uuid, currency, 16, purchases, units, amount, name
    FROM difference WHERE what = 'sales_by_article'
    ON CONFLICT (grain, starts_at, article_id, currency, shard) DO UPDATE SET
        purchases = sum.purchases + EXCLUDED.purchases,
        units = sum.units + EXCLUDED.units,
        amount = sum.amount + EXCLUDED.amount,
        article_name = EXCLUDED.article_name
), renamed AS (
    UPDATE sales_by_article AS sum
    SET article_name = difference.name
    FROM difference
    WHERE difference.what = 'sales_by_article'
        AND sum.grain = difference.grain AND sum.starts_at = difference.starts_at
        AND sum.article_id = difference.dimension::uuid AND sum.currency = difference.currency
        AND sum.shard <> 16 AND sum.article_name <> ALL (coalesce(difference.names, '{}'))
), over_time AS (
    INSERT INTO sales_over_time AS sum (grain, starts_at, currency, shard, sales, units, amount)
    SELECT grain, starts_at, currency, 16, purchases, units, amount
    FROM difference WHERE what = 'sales_over_time'
    ON CONFLICT (grain, starts_at, currency, shard) DO UPDATE SET
        sales = sum.sales + EXCLUDED.sales,
        units = sum.units + EXCLUDED.units,
        amount = sum.amount + EXCLUDED.amount
)
