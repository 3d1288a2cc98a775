seen AS (
    INSERT INTO ab_users (user_id, versions, countries)
    SELECT user_id, versions, countries FROM difference WHERE versions IS NOT NULL
    ORDER BY user_id COLLATE "C"
    ON CONFLICT (user_id) DO UPDATE SET versions = EXCLUDED.versions, countries = EXCLUDED.countries
), gone AS (
    DELETE FROM ab_users USING difference
    WHERE ab_users.user_id = difference.user_id AND difference.versions IS NULL
)
