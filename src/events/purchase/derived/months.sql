SELECT starts_at::text
FROM sales_over_time
WHERE grain = 'month' AND starts_at = date_trunc('month', starts_at, 'UTC')
GROUP BY starts_at
ORDER BY starts_at
