-- Why: a flood of rejections must not drain a topic into the dead letters. Whether a subscription is held
-- back stands here and not in a worker, so that no restart forgets it and all workers do the same. What
-- reference tables held is remembered too: one that was emptied is not the fault of the events.

CREATE TABLE breakers (
    kind         text NOT NULL,
    subscription text NOT NULL,
    state        text NOT NULL CHECK (state IN ('closed', 'open', 'forced')),
    cause        text NOT NULL CHECK (cause IN ('rejections', 'references', 'operator')),
    because      text NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    forced_until timestamptz,
    revision     bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (kind, subscription)
);

COMMENT ON TABLE breakers IS 'Whether events of a subscription are held back. One that never was has no row.';
COMMENT ON COLUMN breakers.kind IS 'Kind of event, such as purchase.';
COMMENT ON COLUMN breakers.subscription IS 'Full name of the Pub/Sub subscription.';
COMMENT ON COLUMN breakers.state IS 'closed: events pass. open: they are held. forced: an operator lets all pass, rejected or not.';
COMMENT ON COLUMN breakers.cause IS 'Who or what brought it into this state: rejections, references (a table was emptied) or operator.';
COMMENT ON COLUMN breakers.because IS 'The same, in words.';
COMMENT ON COLUMN breakers.since IS 'When it came into this state.';
COMMENT ON COLUMN breakers.forced_until IS 'When forcing ends; null while it ends by itself, once few enough events are rejected.';
COMMENT ON COLUMN breakers.revision IS 'Grows with every change, so that whoever reads can tell the newer of two states.';

CREATE TABLE breaker_reports (
    kind         text NOT NULL,
    subscription text NOT NULL,
    instance     uuid NOT NULL,
    revision     bigint NOT NULL,
    events       bigint NOT NULL,
    rejected     bigint NOT NULL,
    reported_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, subscription, instance)
);

COMMENT ON TABLE breaker_reports IS 'What each worker sees while a breaker is not closed. Workers decide by the sum of what was reported lately.';
COMMENT ON COLUMN breaker_reports.kind IS 'Kind of event.';
COMMENT ON COLUMN breaker_reports.subscription IS 'Full name of the Pub/Sub subscription.';
COMMENT ON COLUMN breaker_reports.instance IS 'The worker process.';
COMMENT ON COLUMN breaker_reports.revision IS 'The state that it is about: breakers.revision.';
COMMENT ON COLUMN breaker_reports.events IS 'While open: new events that it holds. While forced: new events that it decided within the window.';
COMMENT ON COLUMN breaker_reports.rejected IS 'How many of them would be, or were, rejected.';
COMMENT ON COLUMN breaker_reports.reported_at IS 'When it looked last.';

CREATE TABLE reference_sizes (
    reference_table text PRIMARY KEY,
    rows            bigint NOT NULL,
    counted_at      timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE reference_sizes IS 'How many rows users and articles held lately, at the most. A table that is much smaller all of a sudden was emptied by mistake.';
COMMENT ON COLUMN reference_sizes.reference_table IS 'users or articles.';
COMMENT ON COLUMN reference_sizes.rows IS 'The most within about a day; what an operator took to be right since.';
COMMENT ON COLUMN reference_sizes.counted_at IS 'When it last held so many.';
