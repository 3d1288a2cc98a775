WITH events AS (
    SELECT user_id, version COLLATE "C" AS version, coalesce(country, 'unknown') AS country, occurred_at FROM ab_events
),
split AS (
    SELECT country, version, count(*) AS events, count(DISTINCT user_id) AS users,
           min(occurred_at) AS first_event, max(occurred_at) AS last_event
    FROM events GROUP BY country, version
),
kept_split AS (
    SELECT country, version, sum(events) AS events, sum(users) AS users,
           min(first_event) AS first_event, max(last_event) AS last_event
    FROM ab_split GROUP BY country, version HAVING sum(events) <> 0 OR sum(users) <> 0
),
versions AS (
    SELECT user_id, min(version) AS first_version, count(DISTINCT version) > 1 AS is_crossover FROM events GROUP BY user_id
),
audience AS (
    SELECT version, count(DISTINCT user_id) AS users,
           (SELECT count(*) FROM versions WHERE is_crossover AND first_version = version) AS crossover_users
    FROM events GROUP BY version
),
kept_audience AS (
    SELECT version, sum(users) AS users, sum(crossover_users) AS crossover_users
    FROM ab_audience GROUP BY version HAVING sum(users) <> 0 OR sum(crossover_users) <> 0
),
pairs AS (
    SELECT DISTINCT user_id, version, country FROM events
),
kept_pairs AS (
    SELECT user_id, version, country FROM ab_users, UNNEST(versions, countries) AS pair (version, country)
)
SELECT (
    SELECT count(*) FROM split FULL JOIN kept_split AS kept USING (country, version)
    WHERE (split.events, split.users) IS DISTINCT FROM (kept.events, kept.users)
        -- Under 'unknown' they are bounds, since events move on from there.
        OR (country <> 'unknown' AND (split.first_event, split.last_event) IS DISTINCT FROM (kept.first_event, kept.last_event))
        OR (country = 'unknown' AND NOT (kept.first_event <= split.first_event AND kept.last_event >= split.last_event))
) + (
    SELECT count(*) FROM audience FULL JOIN kept_audience AS kept USING (version)
    WHERE (audience.users, audience.crossover_users) IS DISTINCT FROM (kept.users, kept.crossover_users)
) + (
    SELECT count(*) FROM pairs FULL JOIN kept_pairs AS kept USING (user_id, version, country)
    WHERE pairs IS NULL OR kept IS NULL
)
