"""The snippets of the README and of docs/operating.md, run as they stand there, on a published table."""

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake.fs import DeltaStorageHandler
from pyspark.sql import SparkSession

from nightslate.contracts import arrow, load
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.plackett_luce import conditional_propensities, sample_rankings
from nightslate.tables import Table, Warehouse

PROJECT = Path(__file__).parents[2]
MONDAY, TUESDAY = date(2019, 11, 25), date(2019, 11, 26)
ARMS = ("3", "007", "12", "x", "y")
DEPTH = 3
USERS = 6


def snippet(page: str, name: str) -> str:
    """The block of a page that opens with ```python NAME."""
    found = re.findall(
        rf"^```python {name}\n(.*?)^```$", (PROJECT / page).read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(found) == 1, f"{page} has {len(found)} snippets {name!r}"
    return str(found[0])


def run(page: str, name: str, but_last_line: bool = False) -> dict[str, Any]:
    """What the names of a snippet stand for after it ran."""
    lines = snippet(page, name).splitlines()
    names: dict[str, Any] = {"__name__": "__main__"}
    code = compile("\n".join(lines[:-1] if but_last_line else lines), f"{page}:{name}", "exec")
    exec(code, names)  # noqa: S102 (our own README)
    return names


def some_slates(day: date) -> pa.Table:
    """A handful of users' slates, as scoring makes them."""
    random = np.random.default_rng(day.toordinal())
    weights = mix_floor(random.dirichlet(np.ones(len(ARMS)), USERS), 0.1)
    keys = random.integers(2**63, size=(2, max(USERS, len(ARMS)))).astype(np.uint64)
    rankings = sample_rankings(weights, keys[0, :USERS], keys[1, : len(ARMS)], DEPTH)
    propensities = conditional_propensities(weights, rankings)
    rows = [
        {
            "slate_id": hashlib.sha256(f"{day} {user}".encode()).hexdigest(),
            "user_id": f"{user:032x}",
            "issue": "all",
            "variant": "personalised",
            "policy": "linear_thompson",
            "model_digest": "0" * 64,
            "candidates": list(ARMS),
            "weights": weights[user].tolist(),
            "ranking": [ARMS[arm] for arm in rankings[user]],
            "propensities": propensities[user].tolist(),
        }
        for user in range(USERS)
    ]
    return pa.Table.from_pylist(rows, arrow.schema(load("slates"), partition=False))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """The slates of two days where the README has them; a replaced version's file lies beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(PROJECT / "dags"))
    monkeypatch.delenv("NIGHTSLATE_HOME", raising=False)
    table = Warehouse(tmp_path / "warehouse").table("open_bandit", load("slates"))
    table.replace(MONDAY, some_slates(date(2020, 1, 1)), {})
    table.replace(MONDAY, some_slates(MONDAY), {})
    table.replace(TUESDAY, some_slates(TUESDAY), {})
    assert len(list(table.path.rglob("*.parquet"))) > len(table.snapshot().files())
    return table


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["slate_id"]))


def rows_of(slates: Any) -> list[dict[str, Any]]:
    """All rows of whatever a snippet calls `slates`, read now."""
    if hasattr(slates, "collect_schema"):  # Polars
        return in_order(slates.collect().to_dicts())
    if hasattr(slates, "toArrow"):  # Spark
        return in_order(slates.toArrow().to_pylist())
    return in_order(slates.to_table().to_pylist())


@pytest.mark.parametrize("reader", ["polars", "duckdb", "pyarrow", "spark"])
def test_a_reader_sees_one_version_of_the_published_rows(
    reader: str, table: Table, spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    published = in_order(table.snapshot().to_arrow().to_pylist())
    opened = run("README.md", reader, but_last_line=True)[
        "slates"
    ]  # what has printed nothing has read nothing

    table.replace(TUESDAY, some_slates(date(2020, 1, 2)), {})

    assert len(published) == 2 * USERS
    assert rows_of(opened) == published
    newer = run("README.md", reader)["slates"]
    assert rows_of(newer) == in_order(table.snapshot().to_arrow().to_pylist()) != published
    assert capfd.readouterr().out.strip()


@pytest.mark.parametrize("reader", ["polars", "duckdb", "pyarrow"])
def test_no_file_is_opened_through_python(
    reader: str, table: Table, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Arrow's threads let go of such files late, which has ended scripts by abort."""

    def opened(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(DeltaStorageHandler, "open_input_file", opened)
    run("README.md", reader)
    assert capfd.readouterr().out.strip()


def test_duckdb_counts_the_users_of_each_day(table: Table) -> None:
    counts = run("README.md", "duckdb")["counts"].fetchall()
    assert counts == [(day, "linear_thompson", USERS) for day in (MONDAY, TUESDAY)]


def test_propensities_follow_from_the_weights_of_any_slate_and_eligible_arms(table: Table) -> None:
    recomputed = run("README.md", "propensities")["propensities"]

    for slate in table.snapshot().to_arrow().to_pylist():
        whole = recomputed(slate, set(ARMS))
        assert list(whole) == slate["ranking"]
        np.testing.assert_allclose(list(whole.values()), slate["propensities"], rtol=1e-12)
        for dropped in ARMS:
            eligible = set(ARMS) - {dropped}
            kept = [arm for arm in slate["ranking"] if arm in eligible]
            expected = conditional_propensities(
                np.array([slate["weights"]]),
                np.array([[ARMS.index(arm) for arm in kept]]),
                np.array([[arm in eligible for arm in ARMS]]),
            )[0]
            found = recomputed(slate, eligible)
            assert list(found) == kept
            np.testing.assert_allclose(list(found.values()), expected, rtol=1e-12)


def test_the_snippet_prints_the_propensities_of_a_slate(table: Table) -> None:
    names = run("README.md", "propensities")
    assert list(names["as_published"].values()) == pytest.approx(names["slate"]["propensities"], rel=1e-12)
    assert len(names["without_the_first"]) == DEPTH - 1


def test_the_sample_lands_where_a_night_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (PROJECT / ".cache").mkdir(exist_ok=True)
    for name in (".cache", "requirements-demo.lock"):
        (tmp_path / name).symlink_to(PROJECT / name)
    monkeypatch.chdir(tmp_path)

    run("docs/operating.md", "landing")

    markers = Warehouse(tmp_path / "nights").landing("open_bandit", "impressions", date(2019, 11, 24))
    assert (markers / "_SUCCESS").is_file()
