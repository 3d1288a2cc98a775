"""JSON into Parquet."""

import glob
import struct
import time
from pathlib import Path

from sources import connect, quoted, say, views_of_json


def run(arguments):
    files = glob.glob(arguments.json)
    size = sum(map(size_of_json, files))
    connection = connect(arguments.threads, arguments.memory)
    start = time.monotonic()
    connection.execute(f"""
        COPY (
            SELECT *, strftime(occurred_at, '%Y-%m-%d') AS day FROM ({views_of_json(arguments.json)})
            ORDER BY platform, day, product, occurred_at
        ) TO {quoted(arguments.to)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 262144,
                                     PARTITION_BY (platform, day), WRITE_PARTITION_COLUMNS true)
    """)
    seconds = time.monotonic() - start
    written = [path.stat().st_size for path in Path(arguments.to).rglob("*.parquet")]
    rows = connection.execute(f"SELECT count(*) FROM {quoted(arguments.to + '/*/*/*.parquet')}").fetchone()[0]
    say(
        command="convert",
        threads=arguments.threads,
        views=rows,
        files_in=len(files),
        json_bytes=size,
        bytes_read=sum(Path(file).stat().st_size for file in files),
        files_out=len(written),
        bytes_out=sum(written),
        seconds=round(seconds, 2),
        megabytes_per_second_and_core=round(size / 1e6 / seconds / arguments.threads, 1),
    )


def size_of_json(file):
    """Of what a file unpacks to: gzip says it in its last four bytes."""
    if not file.endswith(".gz"):
        return Path(file).stat().st_size
    with open(file, "rb") as packed:
        packed.seek(-4, 2)
        return struct.unpack("<I", packed.read(4))[0]
