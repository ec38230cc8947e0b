"""Last touch over tables by bucket, as the step of the night does it, and the process that does it for the
benchmark that watches: it imports what its engine needs, and no more.

`python -m tests.benchmarks.attribution.by_buckets ENGINE IMPRESSIONS BUCKETS OUT`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.benchmarks.attribution.histories import FIRST_DAY, Histories
from tests.benchmarks.engines import engine

from nightslate.contracts import load
from nightslate.core.attribution import Rule
from nightslate.engines import Engine, Input, Work
from nightslate.kernels.attribution import Attributor
from nightslate.kernels.credits import attributed
from nightslate.tables import Attempt

WINDOW = timedelta(days=14)
LAST_TOUCH = Attributor(Rule("last_touch"), match="user", window=WINDOW)


def by_buckets(runs: Engine, tables: Mapping[str, Input], buckets: int, out: Path) -> None:
    """Over all days at once. Credits go below `out`/credits, and outcomes without any beside them."""
    shutil.rmtree(out, ignore_errors=True)
    work = Work({**tables, "impressions": tables["impressions"].of_users_in("outcomes")}, buckets)
    attempts = {name: Attempt(load(name), out / name, FIRST_DAY, 1) for name in ("credits", "unattributed")}
    runs.write(partial(attributed, {"all": LAST_TOUCH}), work, attempts)


def main(name: str, impressions: str, buckets: str, out: str) -> None:
    tables = Histories(int(impressions)).tables(int(buckets))
    by_buckets(engine(name), tables, int(buckets), Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
