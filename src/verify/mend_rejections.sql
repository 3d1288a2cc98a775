added AS (
    INSERT INTO rejections AS sum (starts_at, kind, reason, code, shard, count, waiting, last_seen)
    SELECT starts_at, kind, reason, code, 16, count, waiting, last_seen FROM difference
    ON CONFLICT (starts_at, kind, reason, code, shard) DO UPDATE SET
        count = sum.count + EXCLUDED.count,
        waiting = sum.waiting + EXCLUDED.waiting,
        last_seen = greatest(sum.last_seen, EXCLUDED.last_seen)
)
