-- Why: every rejected event is kept with all of its reasons. A dead letter is born here, in the
-- transaction that rejected it, and shipped to the blob store afterwards; the payload then leaves
-- the database and this index row stays, to list, group and find it by.

CREATE TABLE dead_letter_segments (
    id         uuid PRIMARY KEY,
    object     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    shipped_at timestamptz
);

COMMENT ON TABLE dead_letter_segments IS 'Objects of the blob store that hold dead letters, one JSON record a line.';
COMMENT ON COLUMN dead_letter_segments.object IS 'Path in the blob store.';
COMMENT ON COLUMN dead_letter_segments.shipped_at IS 'When the object was durable; null while its records are still in dead_letter_outbox.';
CREATE INDEX dead_letter_segments_unshipped ON dead_letter_segments (created_at) WHERE shipped_at IS NULL;

CREATE TABLE dead_letters (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL,
    reason      text NOT NULL,
    class       text NOT NULL,
    fingerprint text NOT NULL,
    codes       text[] NOT NULL,
    event_key   text,
    delivery_id text NOT NULL,
    position    integer NOT NULL,
    received_at timestamptz NOT NULL,
    failed_at   timestamptz NOT NULL,
    status      text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replayed', 'healed', 'discarded', 'expired')),
    segment     uuid REFERENCES dead_letter_segments (id),
    line        integer
);

COMMENT ON TABLE dead_letters IS 'Index of rejected events, one row each. The record itself, with its payload and every violation, is line `line` of object dead_letter_segments.object.';
COMMENT ON COLUMN dead_letters.id IS 'Made from the event''s id and its payload: the same event rejected again is the same dead letter.';
COMMENT ON COLUMN dead_letters.reason IS 'The earliest stage that failed: oversize, decode, shape, reference, conflict or database.';
COMMENT ON COLUMN dead_letters.class IS 'permanent, or when_reference_appears: acceptable as soon as the rows in waiting exist.';
COMMENT ON COLUMN dead_letters.fingerprint IS 'Equal for events that were rejected for the same cause.';
COMMENT ON COLUMN dead_letters.codes IS 'What is wrong with it: every code once.';
COMMENT ON COLUMN dead_letters.event_key IS 'Natural key of the event (purchase: its id_), where it could be read.';
COMMENT ON COLUMN dead_letters.position IS 'Place of the event in its message, from 0.';
COMMENT ON COLUMN dead_letters.status IS 'open until it is replayed, healed, discarded or expired.';
COMMENT ON COLUMN dead_letters.segment IS 'Refers to dead_letter_segments; null until the shipper has assigned one.';
COMMENT ON COLUMN dead_letters.line IS 'Line of the segment, from 1.';
CREATE INDEX dead_letters_unassigned ON dead_letters (kind, reason, failed_at) WHERE segment IS NULL;
CREATE INDEX dead_letters_segment ON dead_letters (segment, line);
CREATE INDEX dead_letters_event_key ON dead_letters (kind, event_key);

CREATE TABLE dead_letter_outbox (
    id      uuid PRIMARY KEY,
    record  bytea NOT NULL,
    payload bytea
);

COMMENT ON TABLE dead_letter_outbox IS 'Records that are not in the blob store yet: inserted at birth, deleted once durable, never updated.';
COMMENT ON COLUMN dead_letter_outbox.record IS 'The JSON record, byte for byte the line that will stand in the blob store.';
COMMENT ON COLUMN dead_letter_outbox.payload IS 'An oversize payload, which gets an object of its own.';

CREATE TABLE waiting (
    reference_table text NOT NULL,
    reference_id    text NOT NULL,
    dead_letter     uuid NOT NULL,
    PRIMARY KEY (reference_table, reference_id, dead_letter)
);

COMMENT ON TABLE waiting IS 'Rows that dead letters of class when_reference_appears wait for.';
COMMENT ON COLUMN waiting.reference_table IS 'users or articles.';
COMMENT ON COLUMN waiting.reference_id IS 'The id that was not found there.';
COMMENT ON COLUMN waiting.dead_letter IS 'Refers to dead_letters.id.';

CREATE TABLE rejections (
    starts_at timestamptz NOT NULL,
    kind      text NOT NULL,
    reason    text NOT NULL,
    code      text NOT NULL,
    shard     smallint NOT NULL,
    count     bigint NOT NULL,
    waiting   bigint NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (starts_at, kind, reason, code, shard)
) WITH (fillfactor = 50);

COMMENT ON TABLE rejections IS 'Rollup: rejected events per hour (UTC), kind, reason and code. Sum over shard.';
COMMENT ON COLUMN rejections.starts_at IS 'Start of the hour in which the event was rejected.';
COMMENT ON COLUMN rejections.count IS 'Events with this code; one that has several codes counts once under each.';
