"""The process that the benchmark watches: Spark by bucket over the tables of some histories.

`python -m tests.benchmarks.attribution.by_buckets IMPRESSIONS BUCKETS OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.attribution.histories import Histories
from tests.benchmarks.attribution.ways import by_buckets

from nightslate.frames.session import spark_session


def main(impressions: str, buckets: str, out: str) -> None:
    tables = Histories(int(impressions)).tables(int(buckets))
    by_buckets(spark_session("attribution"), tables, int(buckets), Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
