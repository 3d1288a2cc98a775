"""Views by time, platform and product."""

import datetime
import json
import os
import time
import urllib.request

from sources import connect, live_files, psql, quoted, say, views_of_files

MINUTE = 60_000_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE


def run(arguments):
    connection = connect(arguments.threads)
    files = live_files(arguments.store, arguments.database)
    product = most_viewed(connection, arguments.store, files)
    wrong = 0
    for name, start, end, bucket in questions(files):
        asked = [file for file in files if start.date() <= datetime.date.fromisoformat(file["day"]) <= last_day(end)]
        for only in (None, product):
            full_name = f"{name}, {'one product' if only else 'all products'}"
            if arguments.only and arguments.only not in full_name:
                continue
            body = {
                "files": [{"path": file["path"], "bytes": file["bytes"]} for file in asked],
                "start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "end": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "bucket_us": bucket,
                "product": only,
                "platform": None,
                "most": arguments.most,
            }
            wrong += compare(connection, arguments, full_name, body)
    return 1 if wrong else 0


def last_day(end):
    return (end - datetime.timedelta(microseconds=1)).date()


def questions(files):
    """A day by the hour, a month by the hour and by the day, everything by the day."""
    days = sorted(datetime.date.fromisoformat(file["day"]) for file in files)
    midnight = lambda day: datetime.datetime(day.year, day.month, day.day)
    first, end = midnight(days[0]), midnight(days[-1]) + datetime.timedelta(days=1)
    middle = midnight(days[len(days) // 2])
    month = min(first + datetime.timedelta(days=30), end)
    yield "a day by hour", middle, middle + datetime.timedelta(days=1), HOUR
    yield "a month by hour", first, month, HOUR
    yield "a month by day", first, month, DAY
    yield "everything by day", first, end, DAY


def most_viewed(connection, store, files):
    counted = f"SELECT product FROM ({views_of_files(store, files[:1])}) GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    return connection.execute(counted).fetchone()[0]


def compare(connection, arguments, name, body):
    """1 when the answers differ."""
    sql = statement(body, f"({views_of_files(arguments.store, body['files'])})", "//")
    kept = f"CREATE OR REPLACE TEMP TABLE answer AS {sql}"
    answer = {"question": name, "threads": arguments.threads, "files": len(body["files"])}
    answer["file_bytes"] = sum(file["bytes"] for file in body["files"])
    answer["duckdb"] = best(arguments.rounds, lambda: connection.execute(kept).fetchall())
    # What others do besides: the answer is written as JSON.
    written = f"COPY ({sql}) TO '/dev/null' (FORMAT json)"
    answer["duckdb_json"] = best(arguments.rounds, lambda: connection.execute(written).fetchall())
    expected = connection.execute("SELECT * FROM answer ORDER BY ALL").fetchall()
    answer["rows"] = len(expected)
    if arguments.serve:
        answer["serve"] = best(arguments.rounds, lambda: ask(arguments.serve, body))
        answer["serve_to_duckdb"] = round(answer["serve"] / answer["duckdb"], 2)
        answer["serve_to_duckdb_json"] = round(answer["serve"] / answer["duckdb_json"], 2)
        lines = [tuple(json.loads(line)) for line in ask(arguments.serve, body).splitlines()[:-1]]
        answer["equal"] = lines == expected
    if arguments.postgres:
        counted = f"SELECT count(*) FROM ({statement(body, 'product_views', '/')}) AS answer"
        answer["postgres"] = best(1, lambda: psql(arguments.postgres, "-At", "-c", counted))
    say(**answer)
    return 0 if answer.get("equal", True) else 1


def statement(body, views, divided):
    """Both DuckDB and Postgres understand it, but for the sign of a division of whole numbers."""
    micros = "epoch_us(occurred_at)" if divided == "//" else "(extract(epoch FROM occurred_at) * 1000000)::int8"
    start = int(datetime.datetime.fromisoformat(body["start"]).timestamp() * 1_000_000)
    only = f"AND product = {quoted(body['product'])}" if body["product"] else ""
    return f"""
        SELECT ({micros} - {start}) {divided} {body["bucket_us"]} AS bucket, platform, product, count(*) AS views
        FROM {views} AS views
        WHERE occurred_at >= TIMESTAMPTZ '{body["start"]}' AND occurred_at < TIMESTAMPTZ '{body["end"]}' {only}
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT {body["most"]}"""


def ask(address, body):
    headers = {"content-type": "application/json"}
    if token := os.environ.get("HISTORY_TOKEN"):
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(address.rstrip("/") + "/views", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as response:
        answer = response.read()
    rows = json.loads(answer.splitlines()[-1])["rows"]
    assert rows == answer.count(b"\n") - 1, "the answer broke off"
    return answer


def best(rounds, work):
    """Seconds of the best of so many, after one that does not count."""
    work()
    taken = []
    for _ in range(rounds):
        start = time.monotonic()
        work()
        taken.append(time.monotonic() - start)
    return round(min(taken), 3)
