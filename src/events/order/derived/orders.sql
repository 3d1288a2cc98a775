SELECT event_id
FROM (SELECT event_id, row_number() OVER (ORDER BY event_id) AS number FROM order_events) AS numbered
WHERE number % 50000 = 0
ORDER BY event_id
