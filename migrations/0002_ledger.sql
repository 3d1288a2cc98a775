-- Why: the ledger says of every batch what became of each event in it. Its row is also the token
-- that makes a batch whose commit was never answered safe to try again.

CREATE TABLE batches (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL,
    source       text NOT NULL CHECK (source IN ('pubsub', 'http', 'file', 'replay')),
    received     integer NOT NULL DEFAULT 0,
    stored       integer NOT NULL DEFAULT 0,
    duplicate    integer NOT NULL DEFAULT 0,
    rejected     integer NOT NULL DEFAULT 0,
    ignored      integer NOT NULL DEFAULT 0,
    committed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (received = stored + duplicate + rejected + ignored)
) WITH (fillfactor = 50);

COMMENT ON TABLE batches IS 'Ledger: one row per batch, written in the transaction that decided it. received = stored + duplicate + rejected + ignored.';
COMMENT ON COLUMN batches.kind IS 'Kind of event, such as purchase.';
COMMENT ON COLUMN batches.source IS 'What brought the events: pubsub, http, file or replay.';
COMMENT ON COLUMN batches.received IS 'Events of committed deliveries; a message without an event counts as one.';
COMMENT ON COLUMN batches.stored IS 'Events that became rows.';
COMMENT ON COLUMN batches.duplicate IS 'Events that were stored, or rejected, before with the same content.';
COMMENT ON COLUMN batches.rejected IS 'Events that became dead letters.';
COMMENT ON COLUMN batches.ignored IS 'Messages that hold no event of this kind.';
COMMENT ON COLUMN batches.committed_at IS 'When the batch was about to commit.';
