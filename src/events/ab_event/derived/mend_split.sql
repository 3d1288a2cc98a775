added AS (
    INSERT INTO ab_split AS sum (country, version, shard, events, users, first_event, last_event)
    SELECT country, version, 16, events, users, first_event, last_event FROM difference
    ON CONFLICT (country, version, shard) DO UPDATE SET
        events = sum.events + EXCLUDED.events,
        users = sum.users + EXCLUDED.users,
        first_event = EXCLUDED.first_event,
        last_event = EXCLUDED.last_event
), bounded AS (
    UPDATE ab_split AS sum
    SET first_event = greatest(sum.first_event, difference.first_event),
        last_event = least(sum.last_event, difference.last_event)
    FROM difference
    WHERE sum.country = difference.country AND sum.version = difference.version AND sum.shard <> 16
        AND (sum.first_event < difference.first_event OR sum.last_event > difference.last_event)
)
