-- Why: years of product views are kept as Parquet files in an object store. Which files count is decided here, in
-- the transaction that takes from Postgres what they hold: each view is at every moment in exactly one place.

CREATE TABLE history (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    id           uuid NOT NULL DEFAULT gen_random_uuid(),
    url          text NOT NULL,
    moved_before timestamptz
);

COMMENT ON TABLE history IS 'One row, once there is a history.';
COMMENT ON COLUMN history.one IS 'True: there is one row at the most.';
COMMENT ON COLUMN history.id IS 'What its store is marked with: files that this database does not know are only deleted where they are its own.';
COMMENT ON COLUMN history.url IS 'Where its files are: the paths of history_files are relative to it.';
COMMENT ON COLUMN history.moved_before IS 'Product views from before this were moved out of product_views; those that came later than the move stay until the next. A whole day; it never goes back. Null while none were moved.';

CREATE TABLE history_files (
    path       text PRIMARY KEY,
    platform   text COLLATE "C" NOT NULL,
    day        date NOT NULL,
    rows       bigint NOT NULL CHECK (rows > 0),
    bytes      bigint NOT NULL,
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL,
    ids        uuid NOT NULL,
    added_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed_at timestamptz
);

CREATE INDEX history_files_day ON history_files (day, platform) WHERE removed_at IS NULL;

COMMENT ON TABLE history_files IS 'The Parquet files of the history, each with the views of one platform and one day (UTC). A file never changes.';
COMMENT ON COLUMN history_files.path IS 'Relative to history.url.';
COMMENT ON COLUMN history_files.platform IS 'On which the products were viewed, as in product_views.';
COMMENT ON COLUMN history_files.day IS 'On which they were viewed, in UTC.';
COMMENT ON COLUMN history_files.rows IS 'Views in it.';
COMMENT ON COLUMN history_files.bytes IS 'Size of the file.';
COMMENT ON COLUMN history_files.first_at IS 'When the earliest of its views was.';
COMMENT ON COLUMN history_files.last_at IS 'When the latest of its views was; included.';
COMMENT ON COLUMN history_files.ids IS 'Exclusive or of the ids of its views, as it was when they were written.';
COMMENT ON COLUMN history_files.added_at IS 'When it was added.';
COMMENT ON COLUMN history_files.removed_at IS 'Since when no query reads it, because its views stand in another file, or expired. The file itself is deleted an hour later at the earliest.';

CREATE TABLE moved_product_views (
    id          uuid PRIMARY KEY,
    received_at timestamptz NOT NULL
);

CREATE INDEX moved_product_views_age ON moved_product_views USING brin (received_at);

COMMENT ON TABLE moved_product_views IS 'Ids of views that were moved into the history, for as long as Pub/Sub may deliver them again: one that comes again is a duplicate.';
COMMENT ON COLUMN moved_product_views.id IS 'As it was in product_views, and is in the history.';
COMMENT ON COLUMN moved_product_views.received_at IS 'When the view first reached us. 32 days later its id is removed: Pub/Sub keeps no message for longer than 31.';

-- Files are not changed in place: whoever forgets somebody notes it here, and `purser-history forget` rewrites them.
CREATE TABLE history_forgotten (
    id        text PRIMARY KEY,
    pseudonym uuid NOT NULL,
    at        timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE history_forgotten IS 'Who was forgotten by purser forget, and may still stand in files of the history. Empty once purser-history forget has rewritten those: nothing leads back from a pseudonym then.';
COMMENT ON COLUMN history_forgotten.id IS 'As it stands in mpid.';
COMMENT ON COLUMN history_forgotten.pseudonym IS 'Random; what takes the place of the id, as it does in product_views.';
COMMENT ON COLUMN history_forgotten.at IS 'When purser forget noted it.';

ALTER TABLE ingested_files ADD COLUMN into_history boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN ingested_files.into_history IS 'True when its events went into the history, and not into a table.';
