"""Nights that write Data Docs at the same time, and what they show."""

import fcntl
from pathlib import Path

import pyarrow as pa
import pytest

from nightslate.contracts import arrow, load
from nightslate.errors import CommitConflictError, ContractError
from nightslate.reports import data_docs
from nightslate.reports.data_docs import write_data_docs

CONTRACT = load("unattributed")
ROWS = pa.Table.from_pylist(
    [{"outcome_id": "o1", "kind": "click", "reason": "late", "value": 1.0}],
    arrow.schema(CONTRACT, partition=False),
)


def test_a_night_waits_until_others_have_left_the_data_docs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_docs, "PATIENCE_SECONDS", 0.3)
    (tmp_path / "gx").mkdir()
    with (tmp_path / "gx" / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CommitConflictError, match="try again"):
            write_data_docs({"shop unattributed": (ROWS.slice(0, 0), CONTRACT)}, tmp_path)
    write_data_docs({"shop unattributed": (ROWS.slice(0, 0), CONTRACT)}, tmp_path)
    assert list(tmp_path.rglob("index.html"))


def test_pages_show_each_clause_and_no_values(tmp_path: Path) -> None:
    write_data_docs({"shop unattributed": (ROWS, CONTRACT)}, tmp_path)
    (page,) = (tmp_path / "gx/uncommitted/data_docs/local_site/validations").rglob("*.html")
    assert "outcome_id" in page.read_text()
    assert ">o1<" not in page.read_text()


def test_a_clause_that_a_row_breaks_is_named(tmp_path: Path) -> None:
    broken = pa.concat_tables([ROWS, ROWS])
    with pytest.raises(ContractError, match="is unique"):
        write_data_docs({"shop unattributed": (broken, CONTRACT)}, tmp_path)
