-- Why: the click-through rate divides purchases by product views, and the purchases are the items of
-- the shop's orders. These are kept by the shop, or imported from its files: the tables are made only
-- where they are missing, nothing of ours ever depends on them, and they refer to each other by value
-- alone, because items may come before their orders.

DO $$
BEGIN
    IF to_regclass('orders') IS NULL THEN
        CREATE TABLE orders (
            id           text PRIMARY KEY,
            user_id      text,
            order_date   timestamptz NOT NULL,
            order_status text,
            device_type  text,
            order_total  numeric
        );
        -- A period is answered from this index alone.
        CREATE INDEX orders_order_date ON orders (order_date) INCLUDE (id, order_status, device_type);
        COMMENT ON TABLE orders IS 'Orders of the shop, one row each. Reference data: imported, or kept by the shop itself.';
        COMMENT ON COLUMN orders.id IS 'What order_items.order_id refers to.';
        COMMENT ON COLUMN orders.user_id IS 'Who ordered.';
        COMMENT ON COLUMN orders.order_date IS 'When the order was made: the instant that its items count at.';
        COMMENT ON COLUMN orders.order_status IS 'As the shop wrote it; items of canceled orders are no purchases. Null: not known to be canceled.';
        COMMENT ON COLUMN orders.device_type IS 'The platform of the order, in any case: iOS, Android, MobileWeb.';
        COMMENT ON COLUMN orders.order_total IS 'What the order came to; its currency is not known.';
    END IF;
    IF to_regclass('order_items') IS NULL THEN
        CREATE TABLE order_items (
            id         text PRIMARY KEY,
            order_id   text NOT NULL,
            code_color text,
            quantity   integer
        );
        -- The items of the orders of a period; and of one product.
        CREATE INDEX order_items_order_id ON order_items (order_id) INCLUDE (code_color);
        CREATE INDEX order_items_code_color ON order_items (code_color) INCLUDE (order_id);
        COMMENT ON TABLE order_items IS 'What was ordered: each row counts as one purchase of its product. Reference data: imported, or kept by the shop itself.';
        COMMENT ON COLUMN order_items.id IS 'Given by the shop.';
        COMMENT ON COLUMN order_items.order_id IS 'Refers to orders.id.';
        COMMENT ON COLUMN order_items.code_color IS 'The product, in its colour: what product views name as codeColor.';
        COMMENT ON COLUMN order_items.quantity IS 'How many of it; the click-through rate does not look at it.';
    END IF;
END
$$;
