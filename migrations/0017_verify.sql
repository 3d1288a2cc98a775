-- Why: `purser verify` compares sums with rows a period at a time, so that no statement of it is long. Purchases
-- come in nearly in the order in which they were made, so that the least of indexes finds those of a period and
-- costs whoever stores them nothing. What it mends it adds as a shard of its own, which no writer waits for.

CREATE INDEX purchases_occurred_at ON purchases USING brin (occurred_at) WITH (autosummarize = on);
CREATE INDEX dead_letters_failed_at ON dead_letters (failed_at);

DO $$
DECLARE
    rollup text;
BEGIN
    FOREACH rollup IN ARRAY ARRAY['sales_by_state', 'sales_by_article', 'sales_over_time', 'rejections', 'ab_split', 'ab_audience'] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.shard IS %L', rollup,
            'Which of up to 16 concurrent writers counted, or 16 for what purser verify --repair has added: sum over it.');
    END LOOP;
END
$$;
