-- Users whose versions and countries are not those of their events. Once events were removed for their age, users may
-- have more than their events tell.
WITH pairs AS (
    SELECT DISTINCT user_id, version COLLATE "C" AS version, coalesce(country, 'unknown') COLLATE "C" AS country
    FROM ab_events
    UNION
    SELECT user_id, version, country FROM ab_users, UNNEST(versions, countries) AS pair (version, country)
    WHERE EXISTS (SELECT FROM expired_ab_events)
), expected AS (
    SELECT user_id, array_agg(version::text ORDER BY version, country) AS versions,
           array_agg(country::text ORDER BY version, country) AS countries
    FROM pairs
    GROUP BY user_id
)
SELECT 'ab_users' AS what, 'user ' || user_id AS place,
       coalesce(array_to_string(expected.versions, ', ') || ' in ' || array_to_string(expected.countries, ', '), 'no row')
           AS expected,
       coalesce(array_to_string(found.versions, ', ') || ' in ' || array_to_string(found.countries, ', '), 'no row')
           AS found,
       user_id, expected.versions, expected.countries
FROM expected
FULL JOIN ab_users AS found USING (user_id)
WHERE (expected.versions, expected.countries) IS DISTINCT FROM (found.versions, found.countries)
