"""A decision that does not follow from what is known of it stops its night before anybody learns."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nightslate.errors import ContractError
from nightslate.online.clock import Clock
from nightslate.online.service import Service
from nightslate.serving.recomputed import (
    ANOTHER_ARM,
    ANOTHER_PROPENSITY,
    ANOTHER_VARIANT,
    NO_DECISION,
    NO_RELEASE,
    NOT_OF_THE_RELEASE,
    NOT_SERVED,
)
from tests.integration.nights import run_night

from .assisted import (
    ARMS,
    PROGRAM,
    TODAY,
    MovedClock,
    context,
    land,
    moment,
    night,
    others_logs,
)

STEPS = ("ingest", "attribute", "features", "audit_served")
Lie = Callable[[dict[str, Any]], dict[str, Any]]


def served_day(home: Path) -> Path:
    """Some decisions, all of one user; the file that they landed in."""
    clock = MovedClock(moment(TODAY, 8))
    service = Service(night(home, TODAY), Clock(clock))
    service.refresh()
    for number in range(6):
        event = {"occurred_at": clock.at.isoformat(), "kind": "error", "page": "help"}
        asked = {"user_id": f"user-{number}", "context": context(number), "activity": [event]}
        assert service.decide(json.dumps(asked).encode()).arm is not None
    service.close()
    clock.at = moment(TODAY + timedelta(days=1), 1)
    again = Service(night(home, TODAY), Clock(clock))
    again.close_day(TODAY)
    land(home, TODAY, others_logs([]))
    (file,) = (home / "landing" / PROGRAM / "impressions" / f"ds={TODAY}").glob("served-*")
    return file


LIES: list[tuple[str, Lie]] = [
    (ANOTHER_PROPENSITY, lambda row: {"propensity": row["propensity"] * (1 + 1e-9)}),
    (ANOTHER_ARM, lambda row: {"arm_id": next(arm for arm in ARMS if arm != row["arm_id"])}),
    (NO_RELEASE, lambda _: {"release_digest": "0" * 64}),
    (NOT_OF_THE_RELEASE, lambda _: {"model_digest": "0" * 64}),
    (NOT_OF_THE_RELEASE, lambda _: {"policy": "somebody"}),
    (ANOTHER_VARIANT, lambda _: {"variant": "personalised"}),
    (NOT_OF_THE_RELEASE, lambda _: {"variant": None}),
    (NO_DECISION, lambda _: {"decision_id": "decision-1"}),
    (NOT_SERVED, lambda _: {"eligible_arms": ["call", "bribe"]}),
    (ANOTHER_PROPENSITY, lambda row: {"occurred_at": row["occurred_at"].replace("T08", "T07")}),
]


def test_each_lie_is_named(home: Path) -> None:
    file = served_day(home)
    honest = file.read_text()
    run_night(night(home, TODAY), *STEPS)
    for fault, lie in LIES:
        rows = [json.loads(line) for line in honest.splitlines()]
        place = 2 if fault != ANOTHER_VARIANT else [row["policy"] for row in rows].index("uniform")
        rows[place] |= lie(rows[place])
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        run_night(night(home, TODAY), "ingest", "features")
        with pytest.raises(ContractError, match="nobody learns from them") as stopped:
            run_night(night(home, TODAY), "audit_served")
        assert f"  {fault}: 1 rows\n  {TODAY} {rows[place]['decision_id']}, slot 1: {fault}" in str(
            stopped.value
        )
        found = night(home, TODAY).rows("served_decisions").to_pylist()
        assert [row["decision_id"] for row in found if row["fault"]] == [rows[place]["decision_id"]]
    file.write_text(honest)
    run_night(night(home, TODAY), *STEPS)
