-- Countries and versions whose sums are not those of the events and users. Events that were removed for their age still
-- count; when the first and the last of them happened is not known any more.
WITH kept AS (
    SELECT coalesce(country, 'unknown') AS country, version, count(*) AS events,
           min(occurred_at) AS first_event, max(occurred_at) AS last_event
    FROM ab_events
    GROUP BY coalesce(country, 'unknown'), version
), events AS (
    SELECT country, version, coalesce(kept.events, 0) + coalesce(gone.events, 0) AS events,
           first_event, last_event, country = 'unknown' OR gone.events IS NOT NULL AS is_bound
    FROM kept
    FULL JOIN expired_ab_events AS gone USING (country, version)
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
    OR (NOT expected.is_bound AND expected.events > 0
        AND (expected.first_event, expected.last_event) IS DISTINCT FROM (found.first_event, found.last_event))
    -- Events move on from 'unknown', as old ones are removed, and leave bounds behind.
    OR (expected.is_bound AND expected.first_event IS NOT NULL
        AND (found.first_event <= expected.first_event AND found.last_event >= expected.last_event) IS NOT TRUE)
