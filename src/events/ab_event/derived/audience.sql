-- Versions whose users are not those who have seen them.
WITH seen AS (
    SELECT DISTINCT user_id, version COLLATE "C" AS version
    FROM ab_users, UNNEST(versions) AS version
), users AS (
    SELECT user_id, version, min(version) OVER one_user AS first_version, count(*) OVER one_user > 1 AS is_crossover
    FROM seen
    WINDOW one_user AS (PARTITION BY user_id)
), expected AS (
    SELECT version, count(*) AS users,
           count(*) FILTER (WHERE is_crossover AND first_version = version) AS crossover_users
    FROM users
    GROUP BY version
), found AS (
    SELECT version, sum(users)::bigint AS users, sum(crossover_users)::bigint AS crossover_users
    FROM ab_audience
    GROUP BY version
)
SELECT 'ab_audience' AS what, coalesce(expected.version, found.version) AS place,
       concat(coalesce(expected.users, 0), ' users, ', coalesce(expected.crossover_users, 0), ' of several') AS expected,
       concat(coalesce(found.users, 0), ' users, ', coalesce(found.crossover_users, 0), ' of several') AS found,
       coalesce(expected.version, found.version) AS version,
       coalesce(expected.users, 0) - coalesce(found.users, 0) AS users,
       coalesce(expected.crossover_users, 0) - coalesce(found.crossover_users, 0) AS crossover_users
FROM expected
FULL JOIN found ON found.version = expected.version
WHERE coalesce(expected.users, 0) <> coalesce(found.users, 0)
    OR coalesce(expected.crossover_users, 0) <> coalesce(found.crossover_users, 0)
