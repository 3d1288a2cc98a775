"""Click-through rates, computed here, and asked of an API."""

import datetime
import json
import tempfile
import urllib.parse
import urllib.request
from decimal import ROUND_HALF_UP, Decimal, localcontext
from zoneinfo import ZoneInfo

from sources import connect, live_files, psql, quoted, say, views_of_files, views_of_json

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = datetime.timedelta(microseconds=1)
PURCHASES = """
    COPY (
        SELECT orders.order_date, coalesce(orders.device_type::text, 'unknown'), order_items.code_color::text
        FROM orders JOIN order_items ON order_items.order_id = orders.id
        WHERE order_items.code_color IS NOT NULL
            AND lower(coalesce(orders.order_status, '')) <> ALL (string_to_array({cancelled}, ','))
    ) TO STDOUT (FORMAT csv)
"""
ROWS = "COPY (SELECT occurred_at, platform, product FROM product_views) TO STDOUT (FORMAT csv)"


def run(arguments):
    expected = [list(rate) for rate in rates(arguments)]
    answered = ask(arguments)
    differing = [pair for pair in zip(expected, answered) if pair[0] != pair[1]]
    equal = expected == answered
    say(command="ctr", rates=len(expected), answered=len(answered), equal=equal, first_differences=differing[:5])
    return 0 if equal else 1


def rates(arguments):
    """Time, platform, product and rate as an answer has them, in its order."""
    zone = ZoneInfo(arguments.tz)
    start, end = (instant(text, zone) for text in (arguments.start, arguments.end))
    bucket = datetime.timedelta(minutes=arguments.aggregation)
    for number, platform, product, views, purchases in counted(arguments, start, end, bucket):
        label = (start + number * bucket).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
        yield label, platform, product, rate(purchases, views)


def instant(text, zone):
    """Of a time that the clocks show twice, the earlier one."""
    local = datetime.datetime.fromisoformat(text)
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def rate(purchases, views):
    if not views:
        return None
    with localcontext() as context:
        context.prec = 60
        return str((Decimal(purchases) / Decimal(views)).quantize(Decimal("0.0001"), ROUND_HALF_UP))


def counted(arguments, start, end, bucket):
    connection = connect(arguments.threads)
    since, until = ((at - EPOCH) // MICROSECOND for at in (start, end))
    only = ""
    if arguments.product:
        only += f" AND product = {quoted(arguments.product)}"
    if arguments.platform:
        only += f" AND lower(platform) = lower({quoted(arguments.platform)})"
    with tempfile.TemporaryDirectory() as folder:
        return connection.execute(f"""
            WITH views AS ({views_of(arguments, folder)}), purchases AS ({purchases_of(arguments, folder)}),
            happened AS (
                SELECT epoch_us(occurred_at) AS happened_at, platform, product, 1 AS viewed, 0 AS bought FROM views
                UNION ALL
                SELECT epoch_us(occurred_at), platform, product, 0, 1 FROM purchases
            )
            SELECT (happened_at - {since}) // {bucket // MICROSECOND}, {SPELLED} AS spelled, product,
                   sum(viewed)::BIGINT, sum(bought)::BIGINT
            FROM happened WHERE happened_at >= {since} AND happened_at < {until} {only}
            GROUP BY ALL ORDER BY 1, 2, 3
        """).fetchall()


SPELLED = """
    CASE lower(platform) WHEN 'ios' THEN 'iOS' WHEN 'android' THEN 'Android' WHEN 'mobileweb' THEN 'MobileWeb'
                         ELSE lower(platform) END"""


def views_of(arguments, folder):
    if arguments.json:
        return f"SELECT occurred_at, platform, product FROM ({views_of_json(arguments.json)})"
    rows = fetched(arguments.database, ROWS, folder + "/views.csv")
    files = live_files(arguments.store, arguments.database)
    if not files:
        return rows
    return f"{rows} UNION ALL SELECT occurred_at, platform, product FROM ({views_of_files(arguments.store, files)})"


def purchases_of(arguments, folder):
    cancelled = quoted(",".join(arguments.cancelled))
    return fetched(arguments.database, PURCHASES.format(cancelled=cancelled), folder + "/purchases.csv")


def fetched(database, copy, file):
    with open(file, "w") as written:
        written.write(psql(database, "-c", copy))
    columns = "{'occurred_at': 'TIMESTAMPTZ', 'platform': 'VARCHAR', 'product': 'VARCHAR'}"
    return f"SELECT * FROM read_csv({quoted(file)}, auto_detect = false, delim = ',', quote = '\"', columns = {columns})"


def ask(arguments):
    """The rates of the API, digit for digit."""
    asked = {"startTimestamp": arguments.start, "endTimestamp": arguments.end, "aggregation": arguments.aggregation}
    asked |= {"tz": arguments.tz, "product": arguments.product, "platform": arguments.platform}
    query = urllib.parse.urlencode({name: value for name, value in asked.items() if value is not None})
    with urllib.request.urlopen(f"{arguments.api.rstrip('/')}/ctr?{query}") as response:
        answer = json.loads(response.read(), parse_float=str)
    return [[rate["timestamp"], rate["platform"], rate["product"], rate["CTR"]] for rate in answer]
