"""The program `rollout_allocation` as it ships, but for days in place of weeks, and two days of its world."""

import shutil
from datetime import date, timedelta
from pathlib import Path

from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.tables import Warehouse
from nightslate.worlds.protocol import Setup
from nightslate.worlds.registry import WORLDS
from tests.integration.nights import Declared, run_night

PROGRAM = "rollout_allocation"
DAYS = [date(2026, 3, 2) + timedelta(days=number) for number in range(2)]
DECLARED = Declared(PROGRAM, DAYS)
SHIPPED = Path(__file__).parents[3] / "dags" / f"{PROGRAM}.yaml"
SPEC = (
    SHIPPED.read_text("utf-8")
    .replace("window: 7d", "window: 1d")
    .replace("window: 4d", "window: 1d")  # the second night has models of effects
    .replace("{share: 0.25, days: 2}", "{share: 0.45, days: 1}")
)
USERS, SEED = 3000, 1
"""A tenth of the users are there on the first day, so that more than 100 are in each variant."""

ASSIGNS = ("ingest", "features", "allocate", "assign")
"""The steps by which the first night says who is in which variant; it has no models yet."""


def land(home: Path) -> None:
    """The logs of both days. On the second, users see what the first night is going to assign."""
    warehouse, night = Warehouse(home), DECLARED.night(home, 0)
    landing, slates = warehouse.landing_log(PROGRAM, "users").parent, night.table("slates").path
    world = WORLDS[PROGRAM](
        Setup(night.program, USERS, SEED, landing, slates, Pseudonymiser.from_environment())
    )
    world.run_day(0)
    run_night(night, *ASSIGNS)
    world.run_day(1)
    shutil.rmtree(home / "tables")
