-- Countries and versions whose sums are not those of the events and users.
WITH events AS (
    SELECT coalesce(country, 'unknown') AS country, version, count(*) AS events,
           min(occurred_at) AS first_event, max(occurred_at) AS last_event
    FROM ab_events
    GROUP BY coalesce(country, 'unknown'), version
), users AS (
    SELECT country, version, count(*) AS users
    FROM ab_users, UNNEST(versions, countries) AS pair (version, country)
    GROUP BY country, version
), found AS (
    SELECT country, version, sum(events)::bigint AS events, sum(users)::bigint AS users,
           min(first_event) AS first_event, max(last_event) AS last_event
    FROM ab_split
    GROUP BY country, version
)
SELECT 'ab_split' AS what, concat_ws(' ', country, version) AS place,
       concat_ws(', ', coalesce(expected.events, 0) || ' events', coalesce(users.users, 0) || ' users',
                 expected.first_event || ' to ' || expected.last_event) AS expected,
       concat_ws(', ', coalesce(found.events, 0) || ' events', coalesce(found.users, 0) || ' users',
                 found.first_event || ' to ' || found.last_event) AS found,
       country, version,
       coalesce(expected.events, 0) - coalesce(found.events, 0) AS events,
       coalesce(users.users, 0) - coalesce(found.users, 0) AS users,
       expected.first_event, expected.last_event
FROM events AS expected
FULL JOIN users USING (country, version)
FULL JOIN found USING (country, version)
WHERE coalesce(expected.events, 0) <> coalesce(found.events, 0)
    OR coalesce(users.users, 0) <> coalesce(found.users, 0)
    OR (country <> 'unknown' AND expected.events > 0
        AND (expected.first_event, expected.last_event) IS DISTINCT FROM (found.first_event, found.last_event))
    -- Events move on from there, and leave bounds behind.
    OR (country = 'unknown' AND expected.events > 0
        AND (found.first_event <= expected.first_event AND found.last_event >= expected.last_event) IS NOT TRUE)
