-- Why: a dead letter is not the end of an event. It is tried again when its cause is mended, by a reviewer
-- or as soon as the rows it waited for appear, and closed when it was stored, discarded or has expired. Each
-- attempt writes a new record, each change of status one of its own, and both are shipped like the first
-- record was: the folder alone tells everything. So the outbox holds entries of any folder now, and an entry
-- knows its own place; the index points to the newest record that is durable.

ALTER TABLE dead_letters
    ADD COLUMN attempt       integer NOT NULL DEFAULT 1,
    ADD COLUMN causes        text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN payload_bytes bigint,
    ADD COLUMN status_at     timestamptz,
    ADD COLUMN because       text,
    ADD COLUMN ready         boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT dead_letters_status_check,
    ADD CONSTRAINT dead_letters_status_check
        CHECK (status IN ('open', 'replayed', 'healed', 'discarded', 'expired', 'forgotten'));

COMMENT ON COLUMN dead_letters.failed_at IS 'When it was rejected for the first time.';
COMMENT ON COLUMN dead_letters.reason IS 'The earliest stage that failed, at the latest attempt: oversize, decode, shape, reference, conflict or database.';
COMMENT ON COLUMN dead_letters.status IS 'open until it is replayed, healed, discarded, expired or forgotten.';
COMMENT ON COLUMN dead_letters.segment IS 'Refers to dead_letter_segments: where its newest durable record is; null while there is none.';
COMMENT ON COLUMN dead_letters.attempt IS 'How often it has been judged, from 1.';
COMMENT ON COLUMN dead_letters.causes IS 'What is wrong with it, and where: "code path", each once, array indexes as *. Equal for equal fingerprints. Empty for those born before there were attempts.';
COMMENT ON COLUMN dead_letters.payload_bytes IS 'Size of the payload.';
COMMENT ON COLUMN dead_letters.status_at IS 'When it was closed.';
COMMENT ON COLUMN dead_letters.because IS 'Why it was closed, in the words of who did.';
COMMENT ON COLUMN dead_letters.ready IS 'Everything that it waited for has appeared: it is about to be healed.';

DROP INDEX dead_letters_unassigned;
CREATE INDEX dead_letters_open ON dead_letters (received_at, id) WHERE status = 'open';
CREATE INDEX dead_letters_ready ON dead_letters (received_at, id) WHERE ready;
CREATE INDEX waiting_dead_letter ON waiting (dead_letter);

ALTER TABLE dead_letter_outbox RENAME COLUMN id TO letter;
ALTER TABLE dead_letter_outbox
    DROP CONSTRAINT dead_letter_outbox_pkey,
    ADD COLUMN entry   uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN attempt integer,
    ADD COLUMN folder  text,
    ADD COLUMN segment uuid,
    ADD COLUMN line    integer;

UPDATE dead_letter_outbox AS entry
SET attempt = 1,
    folder = 'dead-letter/kind=' || letter.kind || '/reason=' || letter.reason
             || to_char(letter.failed_at AT TIME ZONE 'UTC', '"/dt="YYYY-MM-DD"/hh="HH24'),
    segment = letter.segment,
    line = letter.line
FROM dead_letters AS letter WHERE letter.id = entry.letter;

UPDATE dead_letters AS letter SET segment = NULL, line = NULL
FROM dead_letter_outbox AS entry WHERE entry.letter = letter.id AND entry.segment IS NOT NULL;

ALTER TABLE dead_letter_outbox
    ALTER COLUMN entry DROP DEFAULT,
    ALTER COLUMN folder SET NOT NULL,
    ADD PRIMARY KEY (entry);

COMMENT ON TABLE dead_letter_outbox IS 'What is not in the blob store yet: records of dead letters and changes of their status. Inserted, given a place, and deleted once durable.';
COMMENT ON COLUMN dead_letter_outbox.letter IS 'Refers to dead_letters.id.';
COMMENT ON COLUMN dead_letter_outbox.entry IS 'Entries are shipped in this order.';
COMMENT ON COLUMN dead_letter_outbox.attempt IS 'Which attempt the record is about; null for a change of status.';
COMMENT ON COLUMN dead_letter_outbox.folder IS 'Folder of the blob store that it belongs into.';
COMMENT ON COLUMN dead_letter_outbox.segment IS 'Refers to dead_letter_segments; null until the shipper has assigned one.';
COMMENT ON COLUMN dead_letter_outbox.line IS 'Line of the segment, from 1.';
CREATE INDEX dead_letter_outbox_unassigned ON dead_letter_outbox (folder, entry) WHERE segment IS NULL;
CREATE INDEX dead_letter_outbox_segment ON dead_letter_outbox (segment, line);
CREATE INDEX dead_letter_outbox_letter ON dead_letter_outbox (letter, attempt);

COMMENT ON COLUMN rejections.starts_at IS 'Start of the hour in which the event was rejected for the first time.';
COMMENT ON COLUMN rejections.count IS 'Dead letters with this code, at their latest attempt; one that has several codes counts once under each.';
COMMENT ON COLUMN rejections.waiting IS 'Those of them that are open, and wait only for rows that are missing.';
