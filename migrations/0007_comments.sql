-- Why: whoever meets a table with psql alone should learn from \d+ what each column is.

COMMENT ON COLUMN batches.id IS 'Drawn by the worker; the same when the batch is tried again.';

COMMENT ON COLUMN purchase_items.quantity IS 'How many of the article.';

COMMENT ON COLUMN sales.purchase_id IS 'purchases.id';
COMMENT ON COLUMN sales.occurred_at IS 'When the purchase was made.';
COMMENT ON COLUMN sales.received_at IS 'When it first reached us.';
COMMENT ON COLUMN sales.user_id IS 'Who bought; refers to users.id.';
COMMENT ON COLUMN sales.state IS 'State of the user''s address when the purchase came in; null when it has none.';
COMMENT ON COLUMN sales.line IS 'Position in the cart, from 1.';
COMMENT ON COLUMN sales.article_id IS 'What was bought; refers to articles.id.';
COMMENT ON COLUMN sales.article_name IS 'Name of the article when the purchase came in.';
COMMENT ON COLUMN sales.quantity IS 'How many of the article.';
COMMENT ON COLUMN sales.unit_price IS 'Price of one when the purchase came in; null when the article had none.';
COMMENT ON COLUMN sales.currency IS 'ISO 4217. Never add amounts of different currencies.';

DO $$
DECLARE
    rollup text;
BEGIN
    FOREACH rollup IN ARRAY ARRAY['sales_by_state', 'sales_by_article', 'sales_over_time'] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.grain IS %L', rollup, 'Length of the period: choose one, each holds everything.');
        EXECUTE format('COMMENT ON COLUMN %I.starts_at IS %L', rollup, 'Start of the period (UTC).');
        EXECUTE format('COMMENT ON COLUMN %I.currency IS %L', rollup, 'ISO 4217, or ''unknown''. Never add amounts of different currencies.');
        EXECUTE format('COMMENT ON COLUMN %I.shard IS %L', rollup, 'Which of up to 16 concurrent writers counted: sum over it.');
        EXECUTE format('COMMENT ON COLUMN %I.units IS %L', rollup, 'Sum of the quantities.');
        EXECUTE format('COMMENT ON COLUMN %I.amount IS %L', rollup, 'Sum of quantity × unit price; a line without a price adds nothing.');
    END LOOP;
END
$$;
COMMENT ON COLUMN sales_by_article.article_id IS 'Refers to articles.id.';

COMMENT ON COLUMN dead_letters.kind IS 'Kind of event, such as purchase.';
COMMENT ON COLUMN dead_letters.delivery_id IS 'The message, request or record of a file that brought the event.';
COMMENT ON COLUMN dead_letters.received_at IS 'When it first reached us.';
COMMENT ON COLUMN dead_letters.failed_at IS 'When it was rejected.';
COMMENT ON COLUMN dead_letter_segments.id IS 'The name of the object.';
COMMENT ON COLUMN dead_letter_segments.created_at IS 'When its records were chosen.';
COMMENT ON COLUMN dead_letter_outbox.id IS 'dead_letters.id';
COMMENT ON COLUMN rejections.kind IS 'Kind of event, such as purchase.';
COMMENT ON COLUMN rejections.reason IS 'The earliest stage that failed.';
COMMENT ON COLUMN rejections.code IS 'What was wrong.';
COMMENT ON COLUMN rejections.shard IS 'Which of up to 16 concurrent writers counted: sum over it.';
COMMENT ON COLUMN rejections.waiting IS 'Those of them that nothing is wrong with but missing rows.';
COMMENT ON COLUMN rejections.last_seen IS 'When the last of them was rejected.';
