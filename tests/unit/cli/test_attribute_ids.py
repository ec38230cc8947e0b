"""Ids of two files that other programs wrote in other forms."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from nightslate.cli import app

SHOWN = """impression_id,user_id,arm_id,occurred_at
101,7,a,2026-01-10T08:00:00Z
102,8,b,2026-01-10T08:10:00Z
103,9,a,2026-01-10T08:20:00Z
"""
DONE = """outcome_id,user_id,kind,value,occurred_at,impression_id
1,7.0,click,1,2026-01-10T09:30:00Z,101.0
2,8.0,click,1,2026-01-10T09:40:00Z,
3,9.0,click,1,2026-01-10T09:50:00Z,103.0
"""


def run(folder: Path, shown: str, done: str, *options: str) -> Result:
    (folder / "shown.csv").write_text(shown)
    (folder / "done.csv").write_text(done)
    files = "--impressions", str(folder / "shown.csv"), "--outcomes", str(folder / "done.csv")
    return CliRunner().invoke(
        app, ["attribute", *files, "--window", "1d", "--out", str(folder / "c.parquet"), *options]
    )


@pytest.mark.parametrize("match", ["user", "closest"])
def test_a_column_with_gaps_names_the_same_users_and_impressions(tmp_path: Path, match: str) -> None:
    ran = run(tmp_path, SHOWN, DONE, "--match", match)
    assert ran.exit_code == 0
    assert pq.read_table(tmp_path / "c.parquet")["impression_id"].to_pylist() == ["101", "102", "103"]
    assert "user_id of" in ran.stderr
    assert "written like 7.0: 7.0 is read as 7" in ran.stderr
    assert "WARNING" not in ran.stderr


def test_keys_of_two_kinds_are_told_of(tmp_path: Path) -> None:
    ran = run(tmp_path, SHOWN.replace(",7,", ",u7,").replace(",8,", ",u8,").replace(",9,", ",u9,"), DONE)
    assert ran.exit_code == 0
    assert "WARNING: only 0 of 3 outcomes have a user_id that is among the impressions" in ran.stderr
    assert 'like "7", "8", "9" in outcomes and like "u7", "u8", "u9" in impressions' in ran.stderr


def test_the_summary_as_json_has_what_there_is_to_say(tmp_path: Path) -> None:
    ran = run(
        tmp_path, SHOWN.replace(",7,", ",u7,").replace(",8,", ",u8,").replace(",9,", ",u9,"), DONE, "--json"
    )
    notes = json.loads(ran.stdout)["notes"]
    assert any("only 0 of 3 outcomes have a user_id" in note for note in notes)


def test_a_folder_of_part_files_is_one_log(tmp_path: Path) -> None:
    (tmp_path / "spark").mkdir()
    for number, half in enumerate((SHOWN.splitlines()[1:2], SHOWN.splitlines()[2:])):
        lines = [SHOWN.splitlines()[0], *half]
        (tmp_path / "spark" / f"part-{number}.csv").write_text("\n".join(lines))
    (tmp_path / "spark" / "_SUCCESS").touch()
    (tmp_path / "done.csv").write_text(DONE)
    files = ["--impressions", str(tmp_path / "spark"), "--outcomes", str(tmp_path / "done.csv")]
    out = ["--window", "1d", "--out", str(tmp_path / "c.parquet")]
    ran = CliRunner().invoke(app, ["attribute", *files, *out])
    assert ran.exit_code == 0, ran.output
    assert pq.read_table(tmp_path / "c.parquet").num_rows == 3
    for option in ("--out", "--quarantine"):
        within = str(tmp_path / "spark" / "part-9.csv")
        ran = CliRunner().invoke(app, ["attribute", *files, *out, option, within])
        assert ran.exit_code == 65
        assert "is read" in ran.stderr
