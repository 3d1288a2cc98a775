-- Why: A/B test events are counted by the country of whoever made them. Like users and articles, the
-- shoppers may belong to someone else, who drops and makes them again: the table is made only where it
-- is missing, and nothing of ours ever depends on it.

DO $$
BEGIN
    IF to_regclass('shoppers') IS NULL THEN
        CREATE TABLE shoppers (
            user_id text PRIMARY KEY,
            country text,
            gender  text
        );
        COMMENT ON TABLE shoppers IS 'Who takes part in A/B tests. Reference data: imported, or kept by the shop itself.';
        COMMENT ON COLUMN shoppers.user_id IS 'What A/B test events refer to.';
        COMMENT ON COLUMN shoppers.country IS 'The market that the shopper belongs to.';
        COMMENT ON COLUMN shoppers.gender IS 'As the shop wrote it.';
    END IF;
END
$$;
