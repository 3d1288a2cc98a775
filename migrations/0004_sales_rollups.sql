-- Why: the HTTP service answers from sums that are written in the same transaction as the rows they
-- sum up. Each sum is kept in up to 16 shards, so that concurrent writers do not queue on one row,
-- and at three grains, so that an answer over years adds a few months and the hours at its ends.
-- No index besides the key, and room on every page, so that an update stays within its page.

CREATE TYPE grain AS ENUM ('hour', 'day', 'month');
COMMENT ON TYPE grain IS 'Length of the period (UTC) that a row of a rollup sums up.';

CREATE TABLE sales_by_state (
    grain     grain NOT NULL,
    starts_at timestamptz NOT NULL,
    state     text NOT NULL,
    currency  text NOT NULL,
    shard     smallint NOT NULL,
    purchases bigint NOT NULL,
    units     bigint NOT NULL,
    amount    numeric NOT NULL,
    PRIMARY KEY (grain, starts_at, state, currency, shard)
) WITH (fillfactor = 50);

COMMENT ON TABLE sales_by_state IS 'Rollup: sales per state and currency. Sum over shard; choose one grain.';
COMMENT ON COLUMN sales_by_state.state IS 'State of the user''s address, or ''unknown''.';
COMMENT ON COLUMN sales_by_state.purchases IS 'Purchases with at least one line in this currency.';

CREATE TABLE sales_by_article (
    grain        grain NOT NULL,
    starts_at    timestamptz NOT NULL,
    article_id   uuid NOT NULL,
    currency     text NOT NULL,
    shard        smallint NOT NULL,
    purchases    bigint NOT NULL,
    units        bigint NOT NULL,
    amount       numeric NOT NULL,
    article_name text,
    PRIMARY KEY (grain, starts_at, article_id, currency, shard)
) WITH (fillfactor = 50);

COMMENT ON TABLE sales_by_article IS 'Rollup: sales per article and currency. Sum over shard; choose one grain.';
COMMENT ON COLUMN sales_by_article.purchases IS 'Purchases that contain the article, on however many lines.';
COMMENT ON COLUMN sales_by_article.article_name IS 'The name last seen in the period.';

CREATE TABLE sales_over_time (
    grain     grain NOT NULL,
    starts_at timestamptz NOT NULL,
    currency  text NOT NULL,
    shard     smallint NOT NULL,
    sales     bigint NOT NULL,
    units     bigint NOT NULL,
    amount    numeric NOT NULL,
    PRIMARY KEY (grain, starts_at, currency, shard)
) WITH (fillfactor = 50);

COMMENT ON TABLE sales_over_time IS 'Rollup: sales per period and currency. Sum over shard; choose one grain.';
COMMENT ON COLUMN sales_over_time.sales IS 'Purchases, each counted once, under the currency of its first line: the sum over currencies is the number of purchases.';
