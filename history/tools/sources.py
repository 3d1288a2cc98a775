"""What is compared: raw JSON, files of the history, rows of Postgres."""

import json
import os
import subprocess
from pathlib import Path

import duckdb

# The platform is the beginning of the name of a file.
VIEWS_OF_JSON = """
    SELECT uuid() AS id,
           make_timestamptz(CAST(floor(event.data.timestamp_unixtime_ms * 1000) AS BIGINT)) AS occurred_at,
           now() AS received_at, platform, event.data.custom_attributes."codeColor" AS product, mpid,
           event.data.session_id, event.data.event_id
    FROM (
        SELECT split_part(parse_filename(filename), '_', 1) AS platform, mpid, unnest(events) AS event
        FROM read_json({files}, format = 'auto', filename = true, columns = {{
            events: 'STRUCT(event_type VARCHAR, data STRUCT(event_name VARCHAR, timestamp_unixtime_ms DOUBLE,
                     event_id VARCHAR, session_id VARCHAR, custom_attributes STRUCT("codeColor" VARCHAR)))[]',
            mpid: 'VARCHAR'}}))
    WHERE event.event_type = 'custom_event' AND event.data.event_name = 'product'
"""


def say(**answer):
    print(json.dumps(answer), flush=True)


def connect(threads, memory=None):
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}; SET TimeZone = 'UTC'")
    if memory:
        connection.execute(f"SET memory_limit = '{memory}'")
    return connection


def views_of_json(glob):
    return VIEWS_OF_JSON.format(files=quoted(glob))


def views_of_files(store, files):
    paths = ", ".join(quoted(os.path.join(store, file["path"])) for file in files)
    return f"SELECT * FROM read_parquet([{paths}], hive_partitioning = false)"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def live_files(store, database):
    """The files that count, as the catalog has them, or else those that are there."""
    if database:
        live = "SELECT path, day, bytes FROM history_files WHERE removed_at IS NULL ORDER BY path"
        lines = psql(database, "-At", "-F", "\t", "-c", live).splitlines()
        files = [line.split("\t") for line in lines]
        return [{"path": path, "day": day, "bytes": int(size)} for path, day, size in files]
    found = sorted(Path(store).glob("platform=*/day=*/*.parquet"))
    return [
        {"path": str(path.relative_to(store)), "day": path.parent.name[4:], "bytes": path.stat().st_size}
        for path in found
    ]


def psql(database, *arguments, **options):
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments, database]
    environment = os.environ | {"PGOPTIONS": "-c statement_timeout=0 -c timezone=UTC"}
    done = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE, **options)
    return done.stdout
