-- Why: clicks are kept as they came, and those of logged-in customers are put together to sessions in the
-- transaction that stores them. Clicks come late and in any order, and two workers may have clicks of one
-- customer at once: whoever stores clicks of a customer holds that customer's row of session_customers until the
-- commit.
--
-- A click before all others would renumber every session of its customer, so numbers are not stored: the view
-- counts. Ids are compared bytewise, as the program does, and not by the rules of some language.

CREATE TABLE click_events (
    id           text COLLATE "C" PRIMARY KEY,
    type         text NOT NULL,
    customer_id  text COLLATE "C",
    occurred_at  timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    event        jsonb NOT NULL,
    content_hash bytea NOT NULL,
    hash_version smallint NOT NULL
);
CREATE INDEX click_events_customer ON click_events (customer_id) WHERE customer_id IS NOT NULL;

COMMENT ON TABLE click_events IS 'One row per click event, of whatever type.';
COMMENT ON COLUMN click_events.id IS 'The producer''s id; a number is kept as its digits.';
COMMENT ON COLUMN click_events.type IS 'Such as page_view or placed_order; the producer may have others.';
COMMENT ON COLUMN click_events.customer_id IS 'Who was logged in; null when nobody was: such events are in no session.';
COMMENT ON COLUMN click_events.occurred_at IS 'timestamp of the event; one without a zone was taken as UTC.';
COMMENT ON COLUMN click_events.received_at IS 'When it first reached us.';
COMMENT ON COLUMN click_events.event IS 'The event as it came, fields that we do not know included.';
COMMENT ON COLUMN click_events.content_hash IS 'First half of a SHA-256 over the normalised fields: tells a duplicate from a conflict.';
COMMENT ON COLUMN click_events.hash_version IS 'Version of the rules behind content_hash.';

CREATE TABLE session_settings (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    gap_minutes integer NOT NULL CHECK (gap_minutes > 0),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    rebuilt_at  timestamptz
);
INSERT INTO session_settings (gap_minutes, rebuilt_at) VALUES (30, now());

COMMENT ON TABLE session_settings IS 'By which gap sessions are put together: one row.';
COMMENT ON COLUMN session_settings.only_row IS 'Always true: there is one row.';
COMMENT ON COLUMN session_settings.gap_minutes IS 'A customer''s session ends when nothing comes for longer than this.';
COMMENT ON COLUMN session_settings.changed_at IS 'When the gap was set.';
COMMENT ON COLUMN session_settings.rebuilt_at IS 'When the sessions of the last customer followed; null while some are still by a former gap.';

CREATE TABLE session_customers (
    customer_id text COLLATE "C" PRIMARY KEY,
    gap_minutes integer NOT NULL
) WITH (fillfactor = 90);

COMMENT ON TABLE session_customers IS 'Everybody who was ever logged in. Locked by whoever changes the sessions of a customer.';
COMMENT ON COLUMN session_customers.customer_id IS 'click_events.customer_id';
COMMENT ON COLUMN session_customers.gap_minutes IS 'By which gap the sessions of this customer are put together.';

CREATE TABLE click_sessions (
    customer_id      text COLLATE "C" NOT NULL,
    started_at       timestamptz NOT NULL,
    ended_at         timestamptz NOT NULL,
    events           integer NOT NULL,
    orders           integer NOT NULL,
    first_order_at   timestamptz,
    first_page       text,
    first_page_at    timestamptz,
    first_page_event text COLLATE "C",
    referrer         text,
    referrer_host    text,
    referrer_at      timestamptz,
    referrer_event   text COLLATE "C",
    PRIMARY KEY (customer_id, started_at)
) WITH (fillfactor = 70);

COMMENT ON TABLE click_sessions IS 'The sessions of logged-in customers, and by which events their parts are known. Read the view sessions.';
COMMENT ON COLUMN click_sessions.customer_id IS 'Refers to session_customers (written in the same transaction, not enforced).';
COMMENT ON COLUMN click_sessions.started_at IS 'Time of the first event.';
COMMENT ON COLUMN click_sessions.ended_at IS 'Time of the last event.';
COMMENT ON COLUMN click_sessions.events IS 'Number of events.';
COMMENT ON COLUMN click_sessions.orders IS 'Events of type placed_order among them.';
COMMENT ON COLUMN click_sessions.first_order_at IS 'Time of the first order; null without one.';
COMMENT ON COLUMN click_sessions.first_page IS 'page of the first event that has one.';
COMMENT ON COLUMN click_sessions.first_page_at IS 'Time of that event.';
COMMENT ON COLUMN click_sessions.first_page_event IS 'click_events.id of that event.';
COMMENT ON COLUMN click_sessions.referrer IS 'The first external referrer, as it came: a URL whose host is another than that of the event''s page.';
COMMENT ON COLUMN click_sessions.referrer_host IS 'Its host, in lower case; null when the session has no external referrer.';
COMMENT ON COLUMN click_sessions.referrer_at IS 'Time of the event with that referrer.';
COMMENT ON COLUMN click_sessions.referrer_event IS 'click_events.id of that event.';

CREATE VIEW sessions AS
SELECT session.customer_id,
       row_number() OVER (PARTITION BY session.customer_id ORDER BY session.started_at) - 1 AS number,
       session.started_at, session.ended_at, session.ended_at - session.started_at AS duration,
       session.events, session.orders, session.first_order_at, session.first_page,
       session.referrer, session.referrer_host, customer.gap_minutes
FROM click_sessions AS session
LEFT JOIN session_customers AS customer ON customer.customer_id = session.customer_id;

COMMENT ON VIEW sessions IS 'One row per session: consecutive events of a logged-in customer, none longer than the gap after the one before.';
COMMENT ON COLUMN sessions.customer_id IS 'Who was logged in.';
COMMENT ON COLUMN sessions.number IS 'Place among the sessions of the customer, by time, from 0.';
COMMENT ON COLUMN sessions.started_at IS 'Time of the first event.';
COMMENT ON COLUMN sessions.ended_at IS 'Time of the last event.';
COMMENT ON COLUMN sessions.duration IS 'From the first to the last event; nothing for a single event.';
COMMENT ON COLUMN sessions.events IS 'Number of events.';
COMMENT ON COLUMN sessions.orders IS 'Events of type placed_order among them.';
COMMENT ON COLUMN sessions.first_order_at IS 'Time of the first order; null without one.';
COMMENT ON COLUMN sessions.first_page IS 'page of the first event that has one; null without one.';
COMMENT ON COLUMN sessions.referrer IS 'The first external referrer, as it came; null without one.';
COMMENT ON COLUMN sessions.referrer_host IS 'Its host, in lower case.';
COMMENT ON COLUMN sessions.gap_minutes IS 'By which gap it was put together; differs from session_settings only while sessions are rebuilt.';
