added AS (
    INSERT INTO ab_audience AS sum (version, shard, users, crossover_users)
    SELECT version, 16, users, crossover_users FROM difference
    ON CONFLICT (version, shard) DO UPDATE SET
        users = sum.users + EXCLUDED.users,
        crossover_users = sum.crossover_users + EXCLUDED.crossover_users
)
