-- Why: a back-fill that was interrupted goes on where it stopped, one that is started again does
-- nothing, and judging a file again tomorrow gives the same verdict. A file is its content: a name
-- may hold other bytes next time.

CREATE TABLE ingested_files (
    kind               text NOT NULL,
    sha256             bytea NOT NULL CHECK (octet_length(sha256) = 32),
    path               text NOT NULL,
    first_ingested_at  timestamptz NOT NULL DEFAULT now(),
    committed_position bigint NOT NULL DEFAULT 0,
    records            bigint,
    finished_at        timestamptz,
    PRIMARY KEY (kind, sha256)
);

CREATE INDEX ingested_files_path ON ingested_files (kind, path);

COMMENT ON TABLE ingested_files IS 'Files that purser ingest has read, by their content, and how far it came with each.';
COMMENT ON COLUMN ingested_files.kind IS 'Kind of event, such as purchase.';
COMMENT ON COLUMN ingested_files.sha256 IS 'Hash of the decompressed bytes. Delivery ids are file:<this in hex>#<position>.';
COMMENT ON COLUMN ingested_files.path IS 'Path or URL under which this content was seen first.';
COMMENT ON COLUMN ingested_files.first_ingested_at IS 'Taken as the publish time of its records, whenever they are judged.';
COMMENT ON COLUMN ingested_files.committed_position IS 'Every record before this position (from 0) is decided and committed; some behind it may be, too.';
COMMENT ON COLUMN ingested_files.records IS 'How many records it holds.';
COMMENT ON COLUMN ingested_files.finished_at IS 'When the last of them was committed; null while that is to come.';
