-- Of one kind: Σ stored and its rows, Σ rejected and its dead letters, received and its parts.
-- Rows that are stored elsewhere, and those that were removed for their age, count as rows.
-- A replay stores rows like any other source. What it rejects again is the dead letter that it was before.
WITH ledger AS (
    SELECT coalesce(sum(stored), 0)::bigint AS stored,
           coalesce(sum(rejected) FILTER (WHERE source <> 'replay'), 0)::bigint AS rejected
    FROM batches
    WHERE kind = $1
), compared AS (
    SELECT 'rows_of_the_kind' AS what, 'rows of ' || $1 AS place, stored AS expected,
           (SELECT count(*) FROM rows_of_the_kind)
           + (rows_elsewhere)
           + (SELECT coalesce(sum(rows), 0)::bigint FROM expired WHERE kind = $1) AS found
    FROM ledger
    UNION ALL
    SELECT 'dead_letters', 'dead letters of ' || $1, rejected,
           (SELECT count(*) FROM dead_letters WHERE kind = $1)
    FROM ledger
    UNION ALL
    SELECT 'batches', 'batch ' || id, stored::bigint + duplicate + rejected + ignored, received
    FROM batches
    WHERE kind = $1
)
SELECT what, place, expected || ' by the ledger' AS expected, found::text AS found
FROM compared
WHERE expected <> found
