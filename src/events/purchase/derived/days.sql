-- Midnights with some twenty thousand sales between them, or one day where that has more.
SELECT min(starts_at)::text
FROM (
    SELECT starts_at, ((sum(sum(sales)) OVER (ORDER BY starts_at) - sum(sales)) / 20000)::bigint AS slice
    FROM sales_over_time
    WHERE grain = 'day' AND starts_at = date_trunc('day', starts_at, 'UTC')
    GROUP BY starts_at
) AS day
GROUP BY slice
ORDER BY min(starts_at)
