"""One user with a million events in a day, beside ordinary ones."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest
from deltalake import DeltaTable

from nightslate.programs import find
from tests.benchmarks.memory import MemorySampler, Sample
from tests.integration.pipeline import world

from . import days, processes
from .conftest import Tell
from .processes import Process

pytestmark = pytest.mark.timeout(3600)

DAY = days.DAYS[0]
SHOWN, DONE = 900_000, 100_000
BOUND = 1.5e9
"""Bytes that a million rows of one user may add to the peak of the process tree: none of them passes through
Java, and a worker holds some hundred bytes a row, a few times over."""

STARTED: dict[str, Callable[[Path, str, date], Process]] = {
    "local": lambda home, step, day: processes.start(home, *processes.step(step, day)),
    "Spark": processes.start_job,
}

KEY_OF_TABLE = {
    "impressions": "impression_id",
    "outcomes": "outcome_id",
    "credits": "outcome_id",
    "unattributed": "outcome_id",
}


@pytest.mark.parametrize("engine", STARTED)
def test_a_bot_with_a_million_events(engine: str, tmp_path: Path, tell: Tell) -> None:
    alone, joined = tmp_path / "alone", tmp_path / "joined"
    for home in (alone, joined):
        world.land(home, DAY, world.impressions(0, DAY), world.outcomes(0, DAY))
    _land_bot(joined)

    start, steps = STARTED[engine], ("ingest", "attribute")
    peaks = {home: {step: _peak(start(home, step, DAY)) for step in steps} for home in (alone, joined)}

    ordinary, everyone = _rows(alone), _rows(joined)
    assert _of_bot(everyone, False) == ordinary
    bots = _of_bot(everyone, True)
    assert (len(bots["impressions"]), len(bots["outcomes"])) == (SHOWN, DONE)
    allowed = find(world.PROGRAM).only_issue.rewards.max_outcomes
    assert len(bots["credits"]) == allowed
    assert bots["unattributed"]["reason"].value_counts().to_pylist() == [
        {"values": "too_many", "counts": DONE - allowed}
    ]
    for step, peak in peaks[joined].items():
        assert peak.total - peaks[alone][step].total < BOUND, f"{step}: {peaks}"
    memory = "; ".join(
        f"{step} {peaks[alone][step].total / 1e9:.2f} GB without, {peak.total / 1e9:.2f} GB with"
        f" ({peak.jvm / 1e9:.2f} of them the JVM's)"
        for step, peak in peaks[joined].items()
    )
    tell(
        f"{memory} (bound: {BOUND / 1e9:.1f} GB more); {DONE - allowed} outcomes were too many;"
        " the others' rows are as without it"
    )


def _land_bot(home: Path) -> None:
    """Files beside those of the others."""
    midnight = np.datetime64(datetime.combine(DAY, time(), UTC).replace(tzinfo=None), "us")
    shown_at = midnight + np.arange(SHOWN) * (86_000_000_000 // SHOWN)
    ids = pa.array([f"bot-{n}" for n in range(SHOWN)])
    shown = pa.table(
        {
            "impression_id": ids,
            "decision_id": ids,
            "user_id": pa.repeat("the bot", SHOWN),
            "occurred_at": pa.array(shown_at).cast(pa.timestamp("us", "UTC")),
            "slot": pa.repeat(pa.scalar(1, pa.int32()), SHOWN),
            "arm_id": pa.repeat("a", SHOWN),
            "propensity": pa.repeat(0.4, SHOWN),
            "slate_id": pa.nulls(SHOWN, pa.string()),
            "eligible_arms": pa.nulls(SHOWN, pa.list_(pa.string())),
            "segment": pa.repeat("old", SHOWN),
            "age": pa.repeat(1.0, SHOWN),
            "variant": pa.nulls(SHOWN, pa.string()),
        },
        world.IMPRESSIONS,
    )
    clicked = np.arange(DONE) * (SHOWN // DONE)
    done = pa.table(
        {
            "outcome_id": [f"bot-{n}" for n in range(DONE)],
            "user_id": pa.repeat("the bot", DONE),
            "occurred_at": pa.array(shown_at[clicked] + 1_000_000).cast(pa.timestamp("us", "UTC")),
            "kind": pa.repeat("click", DONE),
            "value": pa.repeat(1.0, DONE),
            "impression_id": ids.take(pa.array(clicked)),
        }
    )
    for log, rows in (("impressions", shown), ("outcomes", done)):
        folder = home / "landing" / world.PROGRAM / log / f"ds={DAY}"
        pyarrow.parquet.write_table(rows, folder / "bot.parquet")


def _peak(step: Process) -> Sample:
    """The memory of the driver, its JVM and their workers at the worst moment of a step."""
    with step as process, MemorySampler(process.popen) as memory:
        process.succeed()
    return max(memory.samples, key=lambda sample: sample.total)


def _rows(home: Path) -> dict[str, pa.Table]:
    """What the day has become, in an order that says nothing."""
    tables = {
        name: DeltaTable(home / "tables" / world.PROGRAM / name).to_pyarrow_table() for name in KEY_OF_TABLE
    }
    return {name: rows.sort_by(KEY_OF_TABLE[name]) for name, rows in tables.items()}


def _of_bot(tables: dict[str, pa.Table], wanted: bool) -> dict[str, pa.Table]:
    """The rows that are the bot's, or those that are not."""
    found = {}
    for name, rows in tables.items():
        is_bots = pc.starts_with(rows[KEY_OF_TABLE[name]], "bot-")
        found[name] = rows.filter(is_bots if wanted else pc.invert(is_bots))
    return found
