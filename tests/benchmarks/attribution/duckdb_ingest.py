"""What ingest does with landing files, as bare DuckDB would: no contract, no quarantine, no commit.

`python -m tests.benchmarks.attribution.duckdb_ingest LANDING DS OUT BUCKETS KEY` reads the day's Parquet of
three logs, puts pseudonyms in place of ids, keeps one row of each key, and writes Parquet by bucket, sorted
by user and time. Prints how many rows it wrote. Nothing of nightslate is imported.
"""

from __future__ import annotations

import hmac
import os
import sys
from pathlib import Path

import duckdb
import pyarrow as pa

KEYS = {"impressions": "impression_id", "outcomes": "outcome_id", "users": "user_id"}


def main(landing: str, ds: str, out: str, buckets: str, key: str) -> None:
    """Take in the three logs of a day."""
    connection = duckdb.connect(config={"threads": len(os.sched_getaffinity(0))})
    logs = {log: f"read_parquet('{landing}/{log}/ds={ds}/*.parquet')" for log in KEYS}
    everyone = " union ".join(f"select user_id from {rows}" for rows in logs.values())  # noqa: S608
    ids = connection.sql(everyone).to_arrow_table()["user_id"].to_pylist()
    secret = key.encode()
    names = [hmac.new(secret, user.encode(), "sha256").hexdigest()[:32] for user in ids]
    connection.register("pseudonyms", pa.table({"user_id": ids, "pseudonym": names}))
    written = 0
    for log, rows in logs.items():
        order = "occurred_at" if log != "users" else "pseudonym"
        (Path(out) / log).mkdir(parents=True)
        connection.execute(
            f"""copy (
              with known as (
                select distinct on ({KEYS[log]}) rows.* exclude (user_id), pseudonym as user_id, pseudonym,
                  ('0x' || pseudonym[1:8])::ubigint % {int(buckets)} as bucket
                from {rows} rows join pseudonyms using (user_id) order by {KEYS[log]}, {order})
              select * exclude (pseudonym) from known order by bucket, pseudonym, {order}
            ) to '{out}/{log}' (format parquet, partition_by (bucket))"""  # noqa: S608
        )
        written += connection.read_parquet(f"{out}/{log}/**/*.parquet").count("*").fetchall()[0][0]
    print(written)


if __name__ == "__main__":
    main(*sys.argv[1:])
