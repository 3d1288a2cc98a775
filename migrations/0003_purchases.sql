-- Why: purchases and their lines, with everything a reader needs copied in at write time, so that
-- history does not change when a price does. No foreign keys: each is a trigger per row, and three
-- of them cost three quarters of the write speed.

CREATE TABLE purchases (
    id           uuid PRIMARY KEY,
    occurred_at  timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    user_id      uuid NOT NULL,
    state        text,
    content_hash bytea NOT NULL,
    hash_version smallint NOT NULL
);

COMMENT ON TABLE purchases IS 'One row per purchase. Its lines are in purchase_items; the view sales joins them.';
COMMENT ON COLUMN purchases.id IS 'The producer''s id_ of the purchase.';
COMMENT ON COLUMN purchases.occurred_at IS 'When it was made, as the producer says; a time without a zone was taken as UTC.';
COMMENT ON COLUMN purchases.received_at IS 'When it first reached us.';
COMMENT ON COLUMN purchases.user_id IS 'Refers to users.id (checked when it came in, not enforced).';
COMMENT ON COLUMN purchases.state IS 'State of the user''s address when the purchase came in, military (AA, AE, AP) and territories included; null when the address has none.';
COMMENT ON COLUMN purchases.content_hash IS 'First half of a SHA-256 over the normalised fields: tells a duplicate from a conflict.';
COMMENT ON COLUMN purchases.hash_version IS 'Version of the rules behind content_hash.';

CREATE TABLE purchase_items (
    purchase_id  uuid NOT NULL,
    line         smallint NOT NULL,
    article_id   uuid NOT NULL,
    article_name text,
    quantity     integer NOT NULL,
    unit_price   numeric,
    currency     text,
    PRIMARY KEY (purchase_id, line)
);

COMMENT ON TABLE purchase_items IS 'One row per line of a purchase. One article may stand on two lines.';
COMMENT ON COLUMN purchase_items.purchase_id IS 'Refers to purchases.id (written in the same transaction, not enforced).';
COMMENT ON COLUMN purchase_items.line IS 'Position in the cart, from 1.';
COMMENT ON COLUMN purchase_items.article_id IS 'Refers to articles.id (checked when it came in, not enforced).';
COMMENT ON COLUMN purchase_items.article_name IS 'Name of the article when the purchase came in.';
COMMENT ON COLUMN purchase_items.unit_price IS 'Price of one when the purchase came in; null when the article had none.';
COMMENT ON COLUMN purchase_items.currency IS 'ISO 4217. Never add amounts of different currencies.';

CREATE VIEW sales AS
SELECT purchase.id AS purchase_id, purchase.occurred_at, purchase.received_at, purchase.user_id, purchase.state,
       item.line, item.article_id, item.article_name, item.quantity, item.unit_price, item.currency,
       item.quantity * item.unit_price AS amount
FROM purchases AS purchase
JOIN purchase_items AS item ON item.purchase_id = purchase.id;

COMMENT ON VIEW sales IS 'One row per purchase line, with when, who, which state, what, and for how much.';
COMMENT ON COLUMN sales.amount IS 'quantity × unit_price, in the currency of the line.';
