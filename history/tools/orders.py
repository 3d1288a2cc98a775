"""Orders that might have come of views, as `purser import shop-orders` reads them."""

from pathlib import Path

from sources import connect, quoted, say, views_of_json

# One view in twenty is bought within ten minutes, spelled and cancelled as shops do it.
ORDERS = """
    SELECT row_number() OVER (ORDER BY chance) AS id, chance % 5000 AS user_id,
           strftime(occurred_at + to_seconds(chance % 600), '%Y-%m-%d %H:%M:%S') AS order_date,
           (['complete', 'Canceled', 'CANCELLED', 'shipped', NULL])[1 + chance // 7 % 5] AS order_status,
           ([platform, upper(platform), 'Desktop', NULL])[1 + chance // 11 % 4] AS device_type,
           10 AS order_total, product, chance
    FROM (SELECT *, (hash(event_id) >> 16)::BIGINT AS chance FROM views)
    WHERE chance % 20 = 0
"""
ITEMS = """
    SELECT 2 * id AS id, id AS order_id, product AS code_color, 1 + chance % 3 AS quantity FROM orders
    UNION ALL
    SELECT 2 * id + 1, id, CASE WHEN chance % 3 > 0 THEN lag(product) OVER (ORDER BY id) END, 1 FROM orders
    ORDER BY id
"""


def run(arguments):
    connection = connect(arguments.threads)
    connection.execute(f"CREATE TABLE views AS {views_of_json(arguments.json)}")
    connection.execute(f"CREATE TABLE orders AS {ORDERS}")
    folder = Path(arguments.to)
    folder.mkdir(parents=True, exist_ok=True)
    columns = "id, user_id, order_date, order_status, device_type, order_total"
    for name, rows in [("orders", f"SELECT {columns} FROM orders"), ("order_items", ITEMS)]:
        connection.execute(f"COPY ({rows}) TO {quoted(str(folder / name) + '.csv')} (FORMAT csv, HEADER)")
    say(command="orders", orders=connection.execute("SELECT count(*) FROM orders").fetchone()[0])
    return 0
