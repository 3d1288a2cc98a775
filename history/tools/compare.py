#!/usr/bin/env python3
"""Does with DuckDB what purser-history does, and compares. A test tool: nothing of the product needs it.

    python3 -m venv tools && tools/bin/pip install duckdb
    tools/bin/python compare.py convert --json '/data/json/*.json.gz' --to /data/duckdb --threads 1
    tools/bin/python compare.py query --store /data/history --database postgres://… --serve http://127.0.0.1:8090
    tools/bin/python compare.py load --store /data/history --database postgres://…
    tools/bin/python compare.py ctr --api http://127.0.0.1:8080 --json '/data/json/*.json.gz' --database postgres://… \\
        --start '2016-01-01 00:00:00' --end '2016-01-02 00:00:00' --aggregation 60 --tz America/Sao_Paulo

Postgres is asked through psql. Each command answers with lines of JSON.
"""

import argparse
import os

import convert
import ctr
import orders
import query
import rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(name, run, about):
        added = commands.add_parser(name, help=about)
        added.set_defaults(run=run)
        added.add_argument("--threads", type=int, default=os.cpu_count())
        return added

    added = command("convert", convert.run, "JSON into sorted Parquet by platform and day, with DuckDB")
    added.add_argument("--json", required=True, help="glob")
    added.add_argument("--to", required=True, help="folder, which must not be there")
    added.add_argument("--memory", help="what DuckDB may take, such as 512MB")

    added = command("query", query.run, "views by time, platform and product, with DuckDB and with others")
    added.add_argument("--store", required=True, help="folder of the history")
    added.add_argument("--database", help="whose catalog tells the files; without it, all in the folder")
    added.add_argument("--serve", help="address of `purser-history serve`, to be asked the same")
    added.add_argument("--postgres", help="address of a database with the same rows in product_views")
    added.add_argument("--most", type=int, default=1_000_001, help="rows of an answer")
    added.add_argument("--rounds", type=int, default=3)
    added.add_argument("--only", help="only questions with these words")

    added = command("load", rows.run, "rows of the history into product_views of a database that has none of them")
    added.add_argument("--store", required=True)
    added.add_argument("--database", required=True)
    added.add_argument("--days", type=int, help="no more than the first so many")

    added = command("orders", orders.run, "orders that might have come of views, to be imported")
    added.add_argument("--json", required=True, help="glob")
    added.add_argument("--to", required=True, help="folder")

    added = command("ctr", ctr.run, "click-through rates by another way, against those of an API")
    added.add_argument("--api", required=True, help="its address")
    added.add_argument("--database", required=True, help="its database: orders, and with --store views and catalog")
    views = added.add_mutually_exclusive_group(required=True)
    views.add_argument("--json", help="glob: views as they came")
    views.add_argument("--store", help="folder of the history: live files, and the rows of product_views")
    added.add_argument("--start", required=True)
    added.add_argument("--end", required=True)
    added.add_argument("--aggregation", required=True, type=int)
    added.add_argument("--tz", default="UTC")
    added.add_argument("--product")
    added.add_argument("--platform")
    added.add_argument("--cancelled", nargs="*", default=["canceled", "cancelled"])

    arguments = parser.parse_args()
    raise SystemExit(arguments.run(arguments))


if __name__ == "__main__":
    main()
