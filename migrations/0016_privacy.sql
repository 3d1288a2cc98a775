-- Why: rows may be removed once they are old, and a person's data at any time, without a number becoming
-- wrong. What was removed for its age is written down here, so that the ledger can be compared with the
-- rows that are left, and so that an old event that comes again is not taken for a new one. While somebody
-- is being forgotten, the pseudonyms stand here, so that an interrupted run goes on with the same.

CREATE TABLE expired (
    kind   text PRIMARY KEY,
    before timestamptz NOT NULL,
    rows   bigint NOT NULL DEFAULT 0,
    at     timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE expired IS 'How far purser expire has come, a row per kind of event. An event from before that time is not stored any more; sums over the time before stay as they were, and are not compared with rows.';
COMMENT ON COLUMN expired.kind IS 'Kind of event, such as purchase.';
COMMENT ON COLUMN expired.before IS 'Rows of events that happened before this are removed. A whole hour; it never goes back.';
COMMENT ON COLUMN expired.rows IS 'Rows removed so far: those stored, by the ledger, are the rows that are there and these.';
COMMENT ON COLUMN expired.at IS 'When the last of them were removed.';

CREATE TABLE expired_ab_events (
    country text NOT NULL,
    version text NOT NULL,
    events  bigint NOT NULL,
    PRIMARY KEY (country, version)
);

COMMENT ON TABLE expired_ab_events IS 'Events of the A/B test that ab_split counts and ab_events has no more: purser expire removed them. Their users stay in ab_users.';
COMMENT ON COLUMN expired_ab_events.country IS 'As in ab_split, when they were removed.';
COMMENT ON COLUMN expired_ab_events.version IS 'As in ab_split.';
COMMENT ON COLUMN expired_ab_events.events IS 'How many.';

CREATE TABLE forgetting (
    request   text NOT NULL,
    what      text NOT NULL CHECK (what IN ('id', 'email')),
    value     text NOT NULL,
    pseudonym uuid NOT NULL DEFAULT gen_random_uuid(),
    PRIMARY KEY (request, what, value)
);

COMMENT ON TABLE forgetting IS 'Who is being forgotten by purser forget right now, and the pseudonym that takes the place of each id. Empty once it is done: nothing leads back from a pseudonym.';
COMMENT ON COLUMN forgetting.request IS 'What was asked for: id or email, and its value.';
COMMENT ON COLUMN forgetting.what IS 'id: takes part in rows; email: an address.';
COMMENT ON COLUMN forgetting.value IS 'The id or the address.';
COMMENT ON COLUMN forgetting.pseudonym IS 'Random; what stands in place of an id.';

-- A product view has no hash of its content, which could be emptied to say that its person was forgotten.
ALTER TABLE product_views ADD COLUMN forgotten boolean;
COMMENT ON COLUMN product_views.forgotten IS 'True when its person was forgotten: mpid is a pseudonym then, and session_id and event_id are gone.';
