"""Between nights: what users withdraw in rows of the open day that have landed counts at the next update."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import yaml
from deltalake import DeltaTable

from nightslate.pipeline import reallocating, updating
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import DOCS, night_of, pseudonym, run_night

from . import consenting, rollout
from .consenting import AGREED, DAYS
from .test_rollout_updates import NOON, OUTAGE

REGION = {"region": "north"}
DAY_ONE = rollout.START + timedelta(days=1)


def asking(home: Path, number: int = 0) -> IssueNight:
    """A night of the rollout, whose region takes a consent."""
    spec = yaml.safe_load(rollout.SPEC)
    spec["logs"]["context"][0] |= {"consent": "location"}
    return night_of(spec, home, rollout.START + timedelta(days=number))


def land(home: Path, number: int, refusing: tuple[str, ...] = (), **more: object) -> None:
    """The logs of a day, in which all users but some agree to say where they are."""
    rollout.land(home, number, **more)
    day = rollout.START + timedelta(days=number)
    file = home / "landing" / rollout.PROGRAM / "users" / f"ds={day}" / "part-0.parquet"
    users = pyarrow.parquet.read_table(file)
    agree = [user not in refusing for user in users["user_id"].to_pylist()]
    pyarrow.parquet.write_table(users.append_column("consent_location", pa.array(agree)), file)


def played(home: Path, number: int = 0, refusing: tuple[str, ...] = ()) -> None:
    land(home, number, refusing)
    for step in ("ingest", "allocate", "assign"):
        run_step(step, asking(home, number))


def test_a_signal_of_a_region_is_not_for_who_does_not_say_where_it_is(tmp_path: Path) -> None:
    north = [user for user, region in zip(*people("user_id", "region"), strict=True) if region == "north"]
    never, withdrawn, stays = north[:3]
    played(tmp_path, refusing=(never,))
    before = rollout.assigned(tmp_path, 0)
    land(tmp_path, 1, (never, withdrawn), signals=[{**OUTAGE, "severity": 3}])
    reallocating.run(asking(tmp_path, 1), NOON + timedelta(hours=1))
    after = rollout.assigned(tmp_path, 0)
    shares = {user: share(after, user) for user in (never, withdrawn, stays)}
    assert shares[stays] == 0.0
    assert shares[never] == share(before, never) > 0.0
    assert shares[withdrawn] == share(before, withdrawn) > 0.0
    assert "nothing" in reallocating.run(asking(tmp_path, 1), NOON + timedelta(hours=2))


def test_a_row_of_users_that_is_not_heard_is_told(tmp_path: Path) -> None:
    played(tmp_path)
    land(tmp_path, 1)
    file = tmp_path / "landing" / rollout.PROGRAM / "users" / f"ds={DAY_ONE}" / "part-0.parquet"
    users = pyarrow.parquet.read_table(file)
    says_nobody = pa.array([None, *users["user_id"].to_pylist()[1:]], pa.string())
    users = users.set_column(users.column_names.index("user_id"), "user_id", says_nobody)
    pyarrow.parquet.write_table(users, file)
    said = reallocating.run(asking(tmp_path, 1), NOON)
    assert "WARNING: 1 rows of users break the contract: user_id" in said
    assert "(1 of part-0.parquet)" in said


def people(*columns: str) -> list[list[str]]:
    return [rollout.people()[name].to_pylist() for name in columns]


def share(assigned: pl.DataFrame, user: str) -> float:
    return float(np.array(assigned.filter(raw=user)["shares"].to_list())[0, 1])


def test_users_of_the_day_before_stand_until_they_have_landed_again(tmp_path: Path) -> None:
    """A program with slates: an update learns from what was shown to who has agreed, and publishes anew once
    somebody withdraws."""
    spec = {"updates": {"every": "15m", "lateness": "1m"}}
    consenting.land(tmp_path, 0)
    run_night(consenting.night(tmp_path, **spec), but=DOCS)
    consenting.land(tmp_path, 1, but=("users", "arms"))
    today = consenting.night(tmp_path, 1, **spec)
    assert "published" in updating.run(today)
    assert segments(tmp_path, today, "user-4") == segments(tmp_path, today, "user-3") == {0}
    consenting.land(tmp_path, 1, {**AGREED, "user-3": False}, but=("arms",))
    said = updating.run(today)
    assert "published" in said
    assert segments(tmp_path, today, "user-4") == {0}
    assert segments(tmp_path, today, "user-3") == {1}
    assert "nothing has landed" in updating.run(today)


def segments(home: Path, night: IssueNight, user: str) -> set[int]:
    """What an update has taken in of the segment of a user: whether it is null, by impression."""
    folder = home / "updates" / consenting.PROGRAM / f"ds={night.ds}" / "tables" / consenting.PROGRAM
    rows = DeltaTable(folder / "impressions").to_pyarrow_table().to_pylist()
    shown = [row for row in rows if row["ds"] == DAYS[1] and row["user_id"] == pseudonym(user)]
    assert shown
    return {int(row["segment"] is None) for row in shown}
