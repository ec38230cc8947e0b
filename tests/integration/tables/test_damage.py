"""Whatever befalls a table's files, whoever reads it is told which, and never reads other rows instead."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable
from tests.integration.tables.rows import MONDAY, TUESDAY, rewards, rows

from nightslate.errors import DamageError
from nightslate.tables import Table
from nightslate.tables.inspection import problems

LAST = 4


@pytest.fixture
def written(table: Table) -> Table:
    """Two days; the first was replaced once. Versions 0 and 1 made the table."""
    table.replace(MONDAY, rows(1), {})
    table.replace(TUESDAY, rows(2), {})
    table.replace(MONDAY, rows(3, 4), {})
    assert table.snapshot().version == LAST
    return table


def commit(table: Table, version: int) -> Path:
    return table.path / "_delta_log" / f"{version:020d}.json"


def parquet(table: Table) -> Path:
    return table.snapshot().files(MONDAY, MONDAY)[0].path


def found(table: Table) -> list[str]:
    return list(problems(table.path, table.staging, lambda files, _: files))


def lose(version: int) -> Callable[[Table], None]:
    return lambda table: commit(table, version).unlink()


def empty(version: int) -> Callable[[Table], None]:
    return lambda table: commit(table, version).write_bytes(b"")


def cut(version: int, share: float) -> Callable[[Table], None]:
    def harm(table: Table) -> None:
        content = commit(table, version).read_bytes()
        commit(table, version).write_bytes(content[: int(len(content) * share)])

    return harm


def cut_between_lines(version: int) -> Callable[[Table], None]:
    def harm(table: Table) -> None:
        lines = commit(table, version).read_text().splitlines()
        commit(table, version).write_text("\n".join(lines[:-2]))

    return harm


def lose_log(table: Table) -> None:
    shutil.rmtree(table.path / "_delta_log")


def become_a_file(table: Table) -> None:
    shutil.rmtree(table.path)
    table.path.write_text("")


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lose(0), "00000000000000000000.json is missing"),
        (lose(3), "00000000000000000003.json is missing"),
        (empty(3), "00000000000000000003.json is empty"),
        (empty(LAST), "00000000000000000004.json is empty"),
        (cut(3, 0.5), "00000000000000000003.json is cut short or overwritten"),
        (cut(LAST, 0.5), "00000000000000000004.json is cut short or overwritten"),
        (cut_between_lines(LAST), "00000000000000000004.json is cut short or overwritten"),
        (lose_log, "_delta_log is gone, and files are left"),
        (become_a_file, "shop/references is no folder"),
    ],
)
def test_a_log_that_is_not_whole_is_named_with_what_to_do(
    written: Table, harm: Callable[[Table], None], named: str
) -> None:
    harm(written)
    message = (
        rf"^shop/references: .*{named}\. Restore it.*, or move .* away and run its nights again: `nightslate"
    )
    for use in (
        written.snapshot,
        lambda: written.history(MONDAY),
        lambda: written.replace(TUESDAY, rows(9), {}),
    ):
        with pytest.raises(DamageError, match=message):
            use()
    assert [bool(re.match(message, problem)) for problem in found(written)] == [True]


def test_the_remedy_names_the_days_of_the_table(written: Table) -> None:
    empty(LAST)(written)
    with pytest.raises(DamageError, match=r"backfill --program shop --from 2026-11-16 --to 2026-11-17`$"):
        written.snapshot()


def test_the_inspection_finds_what_the_log_alone_does_not_show(written: Table) -> None:
    """The last commit is lost: the log reads as that of an older table."""
    lose(LAST)(written)
    assert rewards(written) == [1, 2]
    (lost,) = found(written)
    assert "of 2026-11-16 is not in its log any more" in lost


def test_the_inspection_finds_an_earlier_commit_that_was_cut_between_lines(written: Table) -> None:
    cut_between_lines(3)(written)
    assert "00000000000000000003.json is cut short or overwritten" in found(written)[0]


def test_a_log_that_begins_with_a_checkpoint_is_whole(written: Table) -> None:
    DeltaTable(written.path).create_checkpoint()
    for version in range(LAST):
        commit(written, version).unlink()
    assert rewards(written) == [3, 4, 2]
    assert found(written) == []


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def flip_in_a_page(file: Path) -> None:
    """One byte of the values of a column, which a reader without checksums takes for another value."""
    content = bytearray(file.read_bytes())
    place = content.index(b"p0") + 1
    content[place] ^= 1
    file.write_bytes(content)


def become_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (Path.unlink, "is missing"),
        (truncate, "is damaged"),
        (flip_in_a_page, "is damaged .*CRC"),
        (lambda file: file.write_bytes(b""), "is damaged"),
        (become_a_folder, "is damaged"),
    ],
)
def test_a_damaged_file_is_named_with_the_night_that_writes_it(
    written: Table, harm: Callable[[Path], None], named: str
) -> None:
    file = parquet(written)
    harm(file)
    message = (
        rf"^shop/references of 2026-11-16: {file} {named}.*`nightslate run --program shop --ds 2026-11-16`$"
    )
    with pytest.raises(DamageError, match=message):
        written.snapshot().to_arrow()
    (problem,) = found(written)
    assert problem.startswith(f"shop/references of 2026-11-16: {file} ")
    assert written.snapshot().to_arrow(TUESDAY, TUESDAY)["reward"].to_pylist() == [2]
    written.replace(MONDAY, rows(5), {})
    assert rewards(written) == [5, 2]
    assert found(written) == []


def test_a_sound_table_has_no_problems(written: Table, table: Table) -> None:
    assert found(written) == []


def test_the_inspection_reads_rows(written: Table) -> None:
    """A file of the right name that is another: rows that the contract refuses, of another number."""
    file = parquet(written)
    other = written.begin(TUESDAY)
    other.write(rows(float("inf")))
    shutil.copyfile(next(other.path.rglob("*.parquet")), file)
    text = commit(written, LAST).read_text()
    commit(written, LAST).write_text(
        re.sub(r'"size":\d+', f'"size":{file.stat().st_size}', text, count=1)
        if json.loads(text.splitlines()[1]).get("add")
        else text
    )
    (problem,) = found(written)
    assert "has 1 rows, its commit says 2" in problem


def test_a_folder_that_cannot_be_written_is_named(written: Table) -> None:
    log = written.path / "_delta_log"
    if os.system(f"chattr +i {log} 2>/dev/null"):  # noqa: S605
        pytest.skip("nothing can be made immutable here")
    try:
        with pytest.raises(
            DamageError, match=rf"^shop/references: .*not permitted.* Let this user write {written.path}$"
        ):
            written.replace(TUESDAY, rows(9), {})
    finally:
        os.system(f"chattr -i {log}")  # noqa: S605
    assert rewards(written) == [3, 4, 2]
