"""A user who asks to be forgotten: nothing is left of them in any file, and everything of everybody else."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from nightslate import programs
from nightslate.cli import app
from nightslate.errors import CommitConflictError, SpecError
from nightslate.forgetting import forget as forgetting
from nightslate.forgetting import landing_rows, table_rows
from nightslate.forgetting.forget import Forgotten, forget
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.online.spool import Spool
from nightslate.pipeline.night_times import ENDS, seconds_between
from nightslate.sending.journal import Journal
from tests.integration.nights import PAGES, pseudonym, run_night

from . import letters, world
from .conftest import relocate

USER = "user-25"
DAY = world.DAYS[-1]


def texts_of(path: Path) -> Iterator[bytes]:
    """What is in a file, as bytes that can be searched."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".gz":
        yield gzip.decompress(content)
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield repr(file.read().to_pylist()).encode()


def files_with(home: Path, *needles: str) -> list[str]:
    """All files below a folder that hold any of these, whichever version they are of, and whatever they
    are."""
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    return [
        path.relative_to(home).as_posix()
        for path in files
        if any(needle.encode() in text for text in texts_of(path) for needle in needles)
    ]


def forgotten(home: Path, at_once: bool = True) -> Forgotten:
    key = Pseudonymiser.from_environment()
    return forget(home, world.PROGRAM, programs.find(world.PROGRAM), USER, key, at_once)


def rows_but_of(user: str, table: str, rows: list[str], ids: set[str]) -> list[str]:
    """Those of a table, as `world.rows` has them, that are not the user's."""
    of_user = {pseudonym(user)} | (ids if table in ("credits", "unattributed") else set())
    return [row for row in rows if not any(f"'{each}'" in row or f'"{each}"' in row for each in of_user)]


def ids_of(home: Path, user: str) -> set[str]:
    """Of impressions and outcomes, from the landing files of the days."""
    shown = [row for number, day in enumerate(world.DAYS) for row in world.impressions(number, day)]
    done = [row for number, day in enumerate(world.DAYS) for row in world.outcomes(number, day)]
    of_rows = [(row["user_id"], row.get("outcome_id", row.get("impression_id"))) for row in shown + done]
    return {str(each) for whose, each in of_rows if whose == user}


@pytest.fixture(scope="module")
def everything(three_nights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of two programs, in which the user is wherever a user can be. Not to be changed: copy
    it."""
    home = tmp_path_factory.mktemp("everything") / "home"
    shutil.copytree(three_nights, home)
    relocate(home, three_nights)
    letters.DECLARED.write(letters.SPEC)
    letters.land(home, 0)
    run_night(letters.night(home, 0), but=PAGES)
    extra = [
        {
            **row,
            "user_id": USER if n < 2 else "user-1",
            "impression_id": f"more-{n}",
            "decision_id": f"more-{n}",
            "occurred_at": f"{DAY}T12:00:00Z",
        }
        for n, row in enumerate(world.impressions(9, DAY, 100))
    ]
    extra[1]["propensity"] = 0.0  # quarantined, as is the line below that is no row
    folder = home / "landing" / world.PROGRAM / "impressions"
    lines = [",".join(map(str, values)) for values in (extra[0], *(row.values() for row in extra))]
    (folder / f"ds={DAY}" / "more.csv").write_text("\n".join([*lines, f"broken,{USER}"]) + "\n")
    late = folder / "_late" / f"ds={DAY}" / "late.jsonl.gz"
    late.parent.mkdir(parents=True)
    late.write_bytes(gzip.compress("".join(f"{json.dumps(row)}\n" for row in extra).encode()))
    run_night(world.night(home, DAY), "ingest", "attribute")
    slates = world.night(home, DAY).table("slates")
    left = slates.begin(world.night(home, DAY).slate_date)
    left.write(slates.rows(left.day))
    left.seal()
    for place in (f"updates/tiny/ds={DAY}", "scratch/tiny/step"):
        (home / place).mkdir(parents=True)
        users = files_with(home / "tables/tiny/users", pseudonym(USER))
        shutil.copy(home / "tables/tiny/users" / users[0], home / place / "rows.parquet")
    with (home / "reports/tiny" / f"{DAY}.html").open("a") as page:
        page.write(f"<code>{pseudonym(USER)[:8]}</code>")
    for user in (USER, "user-1"):
        Journal(home / "sending/marketing/2026-03-28").claim(user, {"user_id": pseudonym(user)})
    return home


@pytest.fixture
def home(everything: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(everything, home)
    relocate(home, everything)
    monkeypatch.setenv("NIGHTSLATE_HOME", str(home))
    return home


def test_nothing_is_left_of_a_user_and_all_of_the_others(home: Path) -> None:
    places = {path.split("/")[0] for path in files_with(home, USER, pseudonym(USER))}
    assert places == {"landing", "tables", "staging", "updates", "scratch", "sending"}
    before, ids = world.rows(home), ids_of(home, USER) | {"more-0"}
    said = {
        name: world.night(home, DAY).table(name).snapshot().metadata(DAY) for name in ("users", "credits")
    }
    took = seconds(home)

    result = CliRunner().invoke(app, ["forget", "-", "--vacuum"], input=f"{USER}\n", catch_exceptions=False)

    assert files_with(home, USER, pseudonym(USER), pseudonym(USER)[:8]) == []
    after = world.rows(home)
    assert after.pop("forgotten")
    assert after == {name: rows_but_of(USER, name, rows, ids) for name, rows in before.items()}
    assert sum(map(len, before.values())) > sum(map(len, after.values()))
    for name, told in said.items():
        now = world.night(home, DAY).table(name).snapshot().metadata(DAY)
        assert told == {key: value for key, value in now.items() if key != "nightslate.forgotten"}
    assert seconds(home) == took
    assert "1 pages showed the user" in result.output
    assert "1 attempts were staged with rows of the user" in result.output
    assert (
        "models/all/linear_thompson, models/all/popularity learnt from the user in 3 nights" in result.output
    )
    assert "nightslate backfill --program tiny --from 2024-03-01 --to 2024-03-03" in result.output
    assert files_with(home, "user-1", pseudonym("user-1"))
    assert (home / "sending/marketing/2026-03-28/us/user-1").is_file()
    assert "marketing: request" in result.output
    assert not (home / "sending/marketing/2026-03-28/us" / USER).exists()


def seconds(home: Path) -> dict[date, dict[str, float]]:
    tables = {name: world.night(home, DAY).table(name) for name in ENDS["slates"].values()}
    return seconds_between(tables, list(world.DAYS), ENDS["slates"])


def proof(home: Path) -> list[dict[str, Any]]:
    """What the table `forgotten` has, but for what differs from request to request."""
    table = world.night(home, DAY).table("forgotten")
    rows = table.snapshot().to_arrow().to_pylist()
    return [{k: v for k, v in row.items() if k not in ("request_id", "begun_at", "ds")} for row in rows]


def test_the_proof_counts_what_was_taken_out_where_and_says_not_whose_it_was(home: Path) -> None:
    before = world.rows(home)
    of_user = {
        n: len(rows) - len(rows_but_of(USER, n, rows, ids_of(home, USER))) for n, rows in before.items()
    }
    forgotten(home)
    counts = {row["place"]: row["count"] for row in proof(home)}
    assert {f"tables/{name}": n for name, n in of_user.items() if n} == {
        place: count for place, count in counts.items() if place.startswith("tables/")
    }
    # One more was quarantined, and in one that is no row the id stands as a word.
    assert counts["landing/impressions"] == of_user["impressions"] + 2
    assert counts["landing/impressions/_late"] == 2
    models = {row["place"]: row for row in proof(home) if row["place"].startswith("models/")}
    table = world.night(home, DAY).table("models").snapshot().to_arrow().to_pylist()
    digests = [
        row["digest"] for row in sorted(table, key=lambda row: row["ds"]) if row["learner"] == "popularity"
    ]
    assert models["models/all/popularity"]["digests"] == digests
    assert models["models/all/popularity"]["days"] == [str(day) for day in world.DAYS]


class Killed(BaseException):
    pass


def test_killed_at_any_point_and_run_again_it_leaves_what_a_clean_run_leaves(
    everything: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = tmp_path / "clean"
    shutil.copytree(everything, clean)
    relocate(clean, everything)
    whole = forgotten(clean)

    def killed(module: Any, name: str, number: int, after: bool) -> None:
        """At the call of that number, before what it does or after it."""
        real, calls = getattr(module, name), []

        def call(*given: Any, **named: Any) -> Any:
            calls.append(name)
            if len(calls) == number and not after:
                raise Killed
            done = real(*given, **named)
            if len(calls) == number:
                raise Killed
            return done

        with monkeypatch.context() as patched:
            patched.setattr(module, name, call)
            with pytest.raises(Killed):
                forgotten(home)

    killed(landing_rows, "remove", 2, after=True)
    killed(table_rows, "replace_files", 1, after=True)
    killed(table_rows, "replace_files", 4, after=False)
    killed(forgetting, "take_out_of_journals", 1, after=False)
    killed(forgetting, "remove_pages", 1, after=True)
    killed(forgetting, "_prove", 1, after=True)
    again = forgotten(home)

    assert again.rows == whole.rows
    assert proof(home) == proof(clean)
    assert files_with(home, USER, pseudonym(USER), pseudonym(USER)[:8]) == files_with(
        clean, USER, pseudonym(USER), pseudonym(USER)[:8]
    )
    tables = world.rows(home)
    assert {**tables, "forgotten": []} == {**world.rows(clean), "forgotten": []}
    assert len({row.split(",")[0] for row in tables["forgotten"]}) == 1
    landed = [path.relative_to(clean) for path in sorted((clean / "landing").rglob("*")) if path.is_file()]
    assert landed == [p.relative_to(home) for p in sorted((home / "landing").rglob("*")) if p.is_file()]
    text = [path for path in landed if path.suffix != ".parquet"]
    assert all((home / path).read_bytes() == (clean / path).read_bytes() for path in text)


def test_older_versions_stay_for_who_reads_them_until_vacuum(home: Path) -> None:
    done = forgotten(home, at_once=False)
    left = files_with(home / "tables/tiny", pseudonym(USER))
    assert left
    assert {home / "tables/tiny" / path for path in left} <= {*done.older}
    assert not files_with(home / "landing/tiny", USER)
    assert forgotten(home).older == done.older
    assert files_with(home / "tables/tiny", pseudonym(USER)) == []


def test_what_lands_of_the_user_later_is_dropped_and_counted(home: Path) -> None:
    forgotten(home)
    folder = home / "landing/tiny" / "impressions" / f"ds={DAY}"
    again = [{**row, "user_id": USER} for row in world.impressions(2, DAY)[:20]]
    again = [
        {**row, "occurred_at": row["occurred_at"].isoformat(), "impression_id": f"x{n}"}
        for n, row in enumerate(again)
    ]
    world.write_json_lines(folder / "again.jsonl", again)
    night = world.night(home, DAY)
    done = run_night(night, "ingest")["ingest"]  # 20 of 120 rows are no fault of the log

    assert "20 of the rows quarantined are of users who asked to be forgotten" in done
    rejects = [row for row in night.rows("quarantine").to_pylist() if row["reason"] == "forgotten"]
    assert [row["row_number"] for row in rejects] == list(range(1, 21))
    assert {row["row"] for row in rejects} == {"{}"}
    assert {row["row_digest"] for row in rejects} == {None}
    assert files_with(home / "tables/tiny", USER, pseudonym(USER)) == []


def test_the_logs_are_as_if_the_user_had_never_landed(copied: Callable[[], Path], tmp_path: Path) -> None:
    home, without = copied(), tmp_path / "without"
    forgotten(home)
    for number, day in enumerate(world.DAYS):
        shown = [row for row in world.impressions(number, day) if row["user_id"] != USER]
        world.land(without, day, shown, [r for r in world.outcomes(number, day) if r["user_id"] != USER])
        people = without / f"landing/tiny/users/ds={day}/part-0.jsonl"
        lines = people.read_text().splitlines(keepends=True)
        people.write_text("".join(line for line in lines if f'"{USER}"' not in line))
        run_night(world.night(without, day), "ingest", "attribute")
    names = ("impressions", "outcomes", "users", "credits", "unattributed")
    assert world.rows(home, *names) == world.rows(without, *names)


def test_a_night_that_brings_rows_back_meanwhile_is_seen(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied()
    users, replace_files = world.night(home, DAY).table("users"), table_rows.replace_files
    before = users.rows(DAY, DAY).drop_columns(["ds"])
    met = []

    def raced(table: Any, day: date, *given: Any) -> int:
        if table.contract.name == "users" and day == DAY and not met:
            met.append(users.replace(DAY, before, users.snapshot().metadata(DAY)))
        return replace_files(table, day, *given)

    monkeypatch.setattr(table_rows, "replace_files", raced)
    forgotten(home)
    assert met
    assert pseudonym(USER) not in users.rows(DAY, DAY)["user_id"].to_pylist()
    assert users.rows(DAY, DAY).num_rows == before.num_rows - 1


def test_nobody_is_forgotten_under_another_key(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied()
    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", "another key of the tests")
    with pytest.raises(SpecError, match="the user would not be found"):
        forgotten(home)
    assert not (home / "forgotten").exists()


def test_while_the_app_serves_nobody_is_forgotten_but_nothing_more_is_taken_in(tmp_path: Path) -> None:
    day, landing = world.DAYS[0], tmp_path / "landing/tiny"
    spool = Spool(landing)
    row = {"user_id": USER, "occurred_at": f"{day}T12:00:00Z"}
    spool.append(
        datetime(2024, 3, 1, 12, tzinfo=UTC), {("outcomes", day): [row, {**row, "user_id": "user-1"}]}
    )
    with pytest.raises(CommitConflictError, match="stop it first"):
        forgotten(tmp_path)
    tag = Pseudonymiser.from_environment().tags(pa.array([pseudonym(USER)]))[0].as_py()
    assert (tmp_path / "forgotten/tiny" / tag).is_file()
    spool.close()
    assert forgotten(tmp_path).rows == {"landing/outcomes": 1}
    assert files_with(tmp_path / "landing", "user-1")
    assert files_with(tmp_path, USER) == []


def test_programs_that_there_are_not_are_named(home: Path) -> None:
    result = CliRunner().invoke(app, ["forget", USER, "--program", "nowhere"])
    assert isinstance(result.exception, SpecError)
    assert "there: marketing, tiny" in str(result.exception)
