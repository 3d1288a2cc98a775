-- Hours, kinds, reasons and codes whose sums are not those of the dead letters.
WITH expected AS (
    SELECT date_trunc('hour', failed_at, 'UTC') AS starts_at, kind, reason, code, count(*) AS count,
           count(*) FILTER (WHERE status = 'open' AND class = 'when_reference_appears') AS waiting,
           max(failed_at) AS last_seen
    FROM dead_letters, UNNEST(codes) AS code
    WHERE failed_at >= coalesce($1::text::timestamptz, '-infinity')
        AND failed_at < coalesce($2::text::timestamptz, 'infinity')
    GROUP BY date_trunc('hour', failed_at, 'UTC'), kind, reason, code
), found AS (
    SELECT starts_at, kind, reason, code, sum(count)::bigint AS count, sum(waiting)::bigint AS waiting,
           max(last_seen) AS last_seen
    FROM rejections
    WHERE starts_at >= coalesce($1::text::timestamptz, '-infinity')
        AND starts_at < coalesce($2::text::timestamptz, 'infinity')
    GROUP BY starts_at, kind, reason, code
)
SELECT 'rejections' AS what,
       concat_ws(' ', to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), kind, reason, code) AS place,
       concat_ws(', ', coalesce(expected.count, 0) || ' rejected', coalesce(expected.waiting, 0) || ' waiting',
                 'last ' || expected.last_seen) AS expected,
       concat_ws(', ', coalesce(found.count, 0) || ' rejected', coalesce(found.waiting, 0) || ' waiting',
                 'last ' || found.last_seen) AS found,
       starts_at, kind, reason, code,
       coalesce(expected.count, 0) - coalesce(found.count, 0) AS count,
       coalesce(expected.waiting, 0) - coalesce(found.waiting, 0) AS waiting,
       coalesce(expected.last_seen, found.last_seen) AS last_seen
FROM expected
FULL JOIN found USING (starts_at, kind, reason, code)
WHERE coalesce(expected.count, 0) <> coalesce(found.count, 0)
    OR coalesce(expected.waiting, 0) <> coalesce(found.waiting, 0)
    -- The last may have been rejected again since, for another reason.
    OR found.last_seen < expected.last_seen
