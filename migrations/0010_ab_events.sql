-- Why: events of an A/B test, with the country and gender of the shopper copied in at write time.
-- Where the shopper is not known yet they stay null, and only here are rows changed later: when the
-- shopper appears, its events are given both. All that the monitor asks for is summed up in the same
-- transactions, so that it answers at ten million events as fast as at a thousand.

CREATE TABLE ab_events (
    id           uuid PRIMARY KEY,
    occurred_at  timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    user_id      text NOT NULL,
    account_type text NOT NULL,
    event_type   text,
    order_value  numeric,
    version      text NOT NULL,
    country      text,
    gender       text,
    content_hash bytea NOT NULL,
    hash_version smallint NOT NULL
);

-- What has to be found when a shopper appears: small while most shoppers are known.
CREATE INDEX ab_events_of_unknown ON ab_events (user_id, version) WHERE country IS NULL;

COMMENT ON TABLE ab_events IS 'One row per event of an A/B test. The view ab_events_enriched shows them without what only the pipeline needs.';
COMMENT ON COLUMN ab_events.id IS 'Made from the delivery and the place of the event in it: events have no id of their own.';
COMMENT ON COLUMN ab_events.occurred_at IS 'The event''s date, as the client says; a date without a time is its midnight, a time without a zone was taken as UTC.';
COMMENT ON COLUMN ab_events.received_at IS 'When it first reached us.';
COMMENT ON COLUMN ab_events.user_id IS 'Who was shown the version; refers to shoppers.user_id (not enforced, the shopper may come later).';
COMMENT ON COLUMN ab_events.account_type IS 'Type of the user''s account, in the client''s words.';
COMMENT ON COLUMN ab_events.event_type IS 'What happened, in the client''s words; null when it did not say.';
COMMENT ON COLUMN ab_events.order_value IS 'Value of the order that the event reports; null when it reports none.';
COMMENT ON COLUMN ab_events.version IS 'Which version of the test the user was shown.';
COMMENT ON COLUMN ab_events.country IS 'Country of the shopper when the event came in, or when the shopper became known; null while it is not.';
COMMENT ON COLUMN ab_events.gender IS 'Gender of the shopper, from the same moment as country; null where it is not known.';
COMMENT ON COLUMN ab_events.content_hash IS 'First half of a SHA-256 over the normalised fields: tells a duplicate from a conflict.';
COMMENT ON COLUMN ab_events.hash_version IS 'Version of the rules behind content_hash.';

CREATE TABLE ab_users (
    user_id   text PRIMARY KEY,
    versions  text[] NOT NULL,
    countries text[] NOT NULL,
    CHECK (cardinality(versions) = cardinality(countries))
) WITH (fillfactor = 90);

-- Whose shoppers are looked for.
CREATE INDEX ab_users_unknown ON ab_users (user_id) WHERE 'unknown' = ANY (countries);

COMMENT ON TABLE ab_users IS 'One row per user of ab_events: every version and country that the user''s events have, so that users can be counted as the events come in.';
COMMENT ON COLUMN ab_users.user_id IS 'As in ab_events.';
COMMENT ON COLUMN ab_users.versions IS 'Versions, each beside the country at the same place of countries; each pair once, sorted bytewise.';
COMMENT ON COLUMN ab_users.countries IS 'Countries; ''unknown'' where ab_events.country is null: exactly these users wait for their shopper.';

CREATE TABLE ab_split (
    country     text NOT NULL,
    version     text NOT NULL,
    shard       smallint NOT NULL,
    events      bigint NOT NULL,
    users       bigint NOT NULL,
    first_event timestamptz,
    last_event  timestamptz,
    PRIMARY KEY (country, version, shard)
) WITH (fillfactor = 50);

COMMENT ON TABLE ab_split IS 'Rollup: events and users of the A/B test per country and version. Sum over shard; a single shard may be negative.';
COMMENT ON COLUMN ab_split.country IS 'Country of the shopper, or ''unknown''.';
COMMENT ON COLUMN ab_split.version IS 'As in ab_events.';
COMMENT ON COLUMN ab_split.shard IS 'Which of up to 16 concurrent writers counted: sum over it.';
COMMENT ON COLUMN ab_split.events IS 'Events.';
COMMENT ON COLUMN ab_split.users IS 'Distinct users with such an event. One whose events have two countries counts in both: do not sum over country, ab_audience has that.';
COMMENT ON COLUMN ab_split.first_event IS 'Date of the earliest such event. Under ''unknown'' a lower bound: events move on from there.';
COMMENT ON COLUMN ab_split.last_event IS 'Date of the latest such event. Under ''unknown'' an upper bound: events move on from there.';

CREATE TABLE ab_audience (
    version         text NOT NULL,
    shard           smallint NOT NULL,
    users           bigint NOT NULL,
    crossover_users bigint NOT NULL,
    PRIMARY KEY (version, shard)
) WITH (fillfactor = 50);

COMMENT ON TABLE ab_audience IS 'Rollup: users of the A/B test per version, over all countries. Sum over shard; a single shard may be negative.';
COMMENT ON COLUMN ab_audience.version IS 'As in ab_events.';
COMMENT ON COLUMN ab_audience.shard IS 'Which of up to 16 concurrent writers counted: sum over it.';
COMMENT ON COLUMN ab_audience.users IS 'Distinct users with an event of this version.';
COMMENT ON COLUMN ab_audience.crossover_users IS 'Users with events of several versions, each counted once, under the first (bytewise) of its versions.';

CREATE VIEW ab_events_enriched AS
SELECT id, occurred_at, received_at, user_id, account_type, event_type, order_value, version, country, gender
FROM ab_events;

COMMENT ON VIEW ab_events_enriched IS 'One row per event of an A/B test, with the country and gender of the shopper.';
COMMENT ON COLUMN ab_events_enriched.id IS 'ab_events.id';
COMMENT ON COLUMN ab_events_enriched.occurred_at IS 'The event''s date, as the client says.';
COMMENT ON COLUMN ab_events_enriched.received_at IS 'When it first reached us.';
COMMENT ON COLUMN ab_events_enriched.user_id IS 'Who was shown the version.';
COMMENT ON COLUMN ab_events_enriched.account_type IS 'Type of the user''s account, in the client''s words.';
COMMENT ON COLUMN ab_events_enriched.event_type IS 'What happened, in the client''s words; null when it did not say.';
COMMENT ON COLUMN ab_events_enriched.order_value IS 'Value of the order that the event reports; null when it reports none.';
COMMENT ON COLUMN ab_events_enriched.version IS 'Which version of the test the user was shown.';
COMMENT ON COLUMN ab_events_enriched.country IS 'Country of the shopper; null while the shopper is not known (the monitor says unknown).';
COMMENT ON COLUMN ab_events_enriched.gender IS 'Gender of the shopper; null where it is not known.';

CREATE VIEW ab_versions AS
SELECT version,
       sum(events)::bigint AS events,
       count(*) AS users,
       sum(orders)::bigint AS orders,
       count(*) FILTER (WHERE orders > 0) AS buyers,
       round(count(*) FILTER (WHERE orders > 0)::numeric / count(*), 6) AS conversion,
       coalesce(sum(revenue), 0) AS revenue,
       round(coalesce(sum(revenue), 0) / count(*), 4) AS revenue_per_user
FROM (
    SELECT version, user_id, count(*) AS events, count(*) FILTER (WHERE order_value > 0) AS orders, sum(order_value) AS revenue
    FROM ab_events
    GROUP BY version, user_id
) AS one_user
GROUP BY version;

COMMENT ON VIEW ab_versions IS 'One row per version of the A/B test: how many users saw it, bought, and for how much. An order is an event whose order_value is above zero, whatever its event_type, whose words are the client''s own. A user with events of two versions counts in both.';
COMMENT ON COLUMN ab_versions.version IS 'Which version.';
COMMENT ON COLUMN ab_versions.events IS 'Events of this version.';
COMMENT ON COLUMN ab_versions.users IS 'Distinct users with an event of this version.';
COMMENT ON COLUMN ab_versions.orders IS 'Events that report an order: order_value above zero.';
COMMENT ON COLUMN ab_versions.buyers IS 'Distinct users with at least one order.';
COMMENT ON COLUMN ab_versions.conversion IS 'buyers / users, from 0 to 1.';
COMMENT ON COLUMN ab_versions.revenue IS 'Sum of order_value; events carry no currency, so this adds whatever the client sends.';
COMMENT ON COLUMN ab_versions.revenue_per_user IS 'revenue / users, those without an order included.';
