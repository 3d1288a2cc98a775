-- Why: every purchase is checked against users and articles. They may belong to a producer that
-- made them before us, with other column types, or that drops and makes them again while we run:
-- so they are made only where they are missing, and nothing of ours ever depends on them.

DO $$
BEGIN
    IF to_regclass('users') IS NULL THEN
        CREATE TABLE users (
            id      uuid PRIMARY KEY,
            name    text,
            address text,
            number  text,
            email   text
        );
        COMMENT ON TABLE users IS 'Who buys. Reference data: imported, or kept by the shop itself.';
        COMMENT ON COLUMN users.id IS 'What purchases.user_id refers to.';
        COMMENT ON COLUMN users.address IS 'Postal address over two lines; the two letters before the ZIP are the state that a purchase is counted under.';
        COMMENT ON COLUMN users.number IS 'Telephone number, as the shop wrote it.';
    END IF;
    IF to_regclass('articles') IS NULL THEN
        CREATE TABLE articles (
            id       uuid PRIMARY KEY,
            name     text,
            price    numeric,
            currency text
        );
        COMMENT ON TABLE articles IS 'What is bought. Reference data: imported, or kept by the shop itself.';
        COMMENT ON COLUMN articles.id IS 'What purchase_items.article_id refers to.';
        COMMENT ON COLUMN articles.price IS 'The price of one, today. What was paid stands in purchase_items.unit_price.';
        COMMENT ON COLUMN articles.currency IS 'ISO 4217: USD, SEK, EUR.';
    END IF;
END
$$;
