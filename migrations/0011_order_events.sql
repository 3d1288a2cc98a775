-- Why: orders stay few enough to be asked by plain SQL, without rollups. An order is kept twice over: as
-- the event that came, whole, because half of its fields matter to nobody but the one who looks for one
-- order; and as columns, for everything that is counted. The payload makes the rows wide, so both indexes
-- carry what the answers of the HTTP service sum up: a million orders are summed without reading them.
-- That works on pages that a vacuum has seen, so it comes after every twentieth part of new rows.

CREATE TABLE order_events (
    event_id                text COLLATE "C" PRIMARY KEY,
    event_date              timestamptz,
    received_at             timestamptz NOT NULL,
    ordered_at              timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(event_date, received_at)) STORED,
    user_id                 text COLLATE "C" NOT NULL,
    email                   text,
    financial_status        text,
    currency                text COLLATE "C",
    order_value             numeric,
    total_discounts         numeric,
    total_tax               numeric,
    buyer_accepts_marketing boolean,
    province                text COLLATE "C",
    province_key            text COLLATE "C",
    line_items              integer NOT NULL,
    units                   bigint NOT NULL,
    content_hash            bytea NOT NULL,
    hash_version            smallint NOT NULL,
    payload                 jsonb NOT NULL,
    CHECK (order_value IS NULL OR currency IS NOT NULL),
    CHECK ((province IS NULL) = (province_key IS NULL))
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE INDEX order_events_newest ON order_events (ordered_at, event_id)
    INCLUDE (user_id, currency, order_value, province, province_key, line_items, units);
CREATE INDEX order_events_user ON order_events (user_id, ordered_at, event_id)
    INCLUDE (currency, order_value, buyer_accepts_marketing);

COMMENT ON TABLE order_events IS 'One row per order.created event. Its lines are in order_event_items.';
COMMENT ON COLUMN order_events.event_id IS 'The producer''s id of the event: what makes two events the same one.';
COMMENT ON COLUMN order_events.event_date IS 'When it was ordered, as the producer says: a date is its midnight, a time without a zone was taken as UTC; null when it does not say.';
COMMENT ON COLUMN order_events.received_at IS 'When it first reached us.';
COMMENT ON COLUMN order_events.ordered_at IS 'event_date, or received_at where that is null: the time that counts.';
COMMENT ON COLUMN order_events.user_id IS 'The customer: lovevery_user_id of the event, or user_id.';
COMMENT ON COLUMN order_events.email IS 'As given in this order; a customer may use several.';
COMMENT ON COLUMN order_events.financial_status IS 'Such as paid, as the producer says.';
COMMENT ON COLUMN order_events.currency IS 'Three capital letters, ISO 4217. Never add amounts of different currencies.';
COMMENT ON COLUMN order_events.order_value IS 'What the order is worth; null when the producer does not say: then it is left out of values.';
COMMENT ON COLUMN order_events.total_discounts IS 'As the producer says; null when it does not.';
COMMENT ON COLUMN order_events.total_tax IS 'As the producer says; null when it does not.';
COMMENT ON COLUMN order_events.buyer_accepts_marketing IS 'Whether the customer accepts marketing, as of this order; null, which counts as no, when the producer does not say.';
COMMENT ON COLUMN order_events.province IS 'Province of the shipping address, or of the billing address where that has none, without blanks around it; null when neither has one.';
COMMENT ON COLUMN order_events.province_key IS 'province in lower case: the spellings that count as one province.';
COMMENT ON COLUMN order_events.line_items IS 'How many rows it has in order_event_items.';
COMMENT ON COLUMN order_events.units IS 'Sum of their quantities.';
COMMENT ON COLUMN order_events.content_hash IS 'First half of a SHA-256 over the normalised fields: tells a duplicate from a conflict.';
COMMENT ON COLUMN order_events.hash_version IS 'Version of the rules behind content_hash.';
COMMENT ON COLUMN order_events.payload IS 'The event as it came. Addresses and lines may stand in it as text that holds JSON.';

CREATE TABLE order_event_items (
    event_id text COLLATE "C" NOT NULL,
    line     smallint NOT NULL,
    item_id  text COLLATE "C" NOT NULL,
    quantity integer NOT NULL,
    PRIMARY KEY (event_id, line)
);

COMMENT ON TABLE order_event_items IS 'One row per line of an order. One item may stand on two lines, and in many orders.';
COMMENT ON COLUMN order_event_items.event_id IS 'Refers to order_events.event_id (written in the same transaction, not enforced).';
COMMENT ON COLUMN order_event_items.line IS 'Position in the order, from 1.';
COMMENT ON COLUMN order_event_items.item_id IS 'What was ordered: the id of the line item.';
COMMENT ON COLUMN order_event_items.quantity IS 'How many of it.';
