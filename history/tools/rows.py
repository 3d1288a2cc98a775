"""Rows of the history into a table of Postgres."""

import os
import subprocess
import time

from sources import connect, live_files, psql, quoted, say, views_of_files

COLUMNS = "occurred_at, received_at, platform, product, mpid, session_id, event_id"


def run(arguments):
    connection = connect(arguments.threads)
    files = live_files(arguments.store, None)
    days = sorted({file["day"] for file in files})[: arguments.days]
    start = time.monotonic()
    rows = sum(load(connection, arguments, [file for file in files if file["day"] == day]) for day in days)
    psql(arguments.database, "-c", "VACUUM ANALYZE product_views")
    say(command="load", rows=rows, days=len(days), seconds=round(time.monotonic() - start, 1))
    return 0


def load(connection, arguments, files):
    copy = f"COPY product_views (id, {COLUMNS}) FROM STDIN (FORMAT csv)"
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", copy, arguments.database]
    environment = os.environ | {"PGOPTIONS": "-c statement_timeout=0"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as loading:
        # By time, as they come in.
        ordered = f"""
            SELECT lower(hex(id)), {COLUMNS} FROM ({views_of_files(arguments.store, files)}) ORDER BY occurred_at"""
        pipe = quoted(f"/proc/self/fd/{loading.stdin.fileno()}")
        rows = connection.execute(f"COPY ({ordered}) TO {pipe} (FORMAT csv, HEADER false)").fetchone()[0]
    if loading.returncode != 0:
        raise SystemExit(loading.returncode)
    return rows
