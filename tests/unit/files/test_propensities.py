"""`nightslate propensities` on files as people have them."""

from __future__ import annotations

import json
import math
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from nightslate.cli import app
from nightslate.core import arrays
from nightslate.core.hashing import mix
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.plackett_luce import conditional_propensities, sample_rankings

ROWS = [
    {"slate_id": "s1", "candidates": ["a", "b", "c", "d"], "weights": [0.4, 0.3, 0.2, 0.1]},
    {"slate_id": "s2", "candidates": ["x", "b", "a"], "weights": [5, 3, 2]},
    {"slate_id": "s3", "candidates": ["a", "b", "c", "d", "e"], "weights": [1e-5, 1.0, 1e-5, 2e-5, 3e-5]},
]
RANKED = [
    row | {"ranking": ranking, "may": may}
    for row, ranking, may in zip(
        ROWS,
        (["b", "a", "d", "c"], ["a", "x", "b"], ["e", "b", "a", "c"]),
        (["a", "b", "c"], ["b", "x", "zz"], ["e", "c", "b", "a"]),
        strict=True,
    )
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["propensities", *map(str, arguments)])


def computed(path: Path, slots: int, *more: str) -> list[dict[str, Any]]:
    answer = run("--weights", path, "--slots", slots, "--json", *more)
    assert answer.exit_code == 0, answer.stderr
    rows: list[dict[str, Any]] = json.loads(answer.stdout)
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        quoted = [["" if value is None else cell(value) for value in row.values()] for row in rows]
        path.write_text("\n".join([",".join(rows[0]), *map(",".join, quoted)]) + "\n")
    return path


def cell(value: object) -> str:
    return '"' + json.dumps(value).replace('"', '""') + '"'


def by_definition(row: dict[str, Any], slots: int, eligible: list[str] | None) -> dict[str, Any]:
    """Every slate of the arms that may be shown, and its probability."""
    weights = dict(zip(row["candidates"], row["weights"], strict=True))
    weights = {arm: weight for arm, weight in weights.items() if eligible is None or arm in eligible}
    marginal: dict[tuple[int, str], float] = {}
    of_slate: dict[tuple[str, ...], list[float]] = {}
    for slate in permutations(weights, slots):
        left = [sum(w for arm, w in weights.items() if arm not in slate[:slot]) for slot in range(slots)]
        of_slate[slate] = [weights[arm] / rest for arm, rest in zip(slate, left, strict=True)]
        for slot, arm in enumerate(slate):
            marginal[slot, arm] = marginal.get((slot, arm), 0) + float(np.prod(of_slate[slate]))
    shown = tuple(arm for arm in row["ranking"] if arm in weights)[:slots]
    return {
        "slate_arms": list(shown),
        "conditional": of_slate[shown],
        "marginal": [marginal[slot, arm] for slot, arm in enumerate(shown)],
        "joint": float(np.prod(of_slate[shown])),
    }


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize("restricted", [False, True])
def test_propensities_agree_with_enumeration(tmp_path: Path, suffix: str, restricted: bool) -> None:
    path = write(tmp_path / f"weights{suffix}", RANKED)
    found = computed(path, 2, *(["--eligible", "may"] if restricted else []))
    for row, result in zip(RANKED, found, strict=True):
        expected = by_definition(row, 2, row["may"] if restricted else None)
        assert result["slate_arms"] == expected["slate_arms"]
        for name in ("conditional", "marginal", "joint"):
            assert result[name] == pytest.approx(expected[name], rel=1e-9)
        assert result["candidates"] == row["candidates"]


def test_every_file_gives_the_same_and_can_be_read_again(tmp_path: Path) -> None:
    source = write(tmp_path / "weights.jsonl", RANKED)
    expected = computed(source, 3)
    for name in ("out.parquet", "out.csv", "out.jsonl"):
        answer = run("--weights", source, "--slots", 3, "--out", tmp_path / name)
        assert (answer.exit_code, answer.stdout) == (0, "")
        assert "3 rows written" in answer.stderr
        assert [row["marginal"] for row in computed(tmp_path / name, 3)] == [r["marginal"] for r in expected]
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names[-4:] == ["slate_arms", "conditional", "marginal", "joint"]
    assert table["slate_id"].to_pylist() == ["s1", "s2", "s3"]


def test_published_slates_have_the_propensities_that_are_stored_with_them(tmp_path: Path) -> None:
    users, arms = 40, [f"arm {place}" for place in range(6)]
    probabilities = np.random.default_rng(1).dirichlet(np.full(6, 0.3), users)
    weights = mix_floor(probabilities, 0.05)
    keys = mix(np.arange(46, dtype=np.uint64), 3)
    rankings = sample_rankings(weights, keys[:users], keys[users:], 4)
    stored = conditional_propensities(weights, rankings)
    slates = pa.table(
        {
            "slate_id": [f"{user:064x}" for user in range(users)],
            "candidates": [arms] * users,
            "weights": pa.array(list(weights), pa.list_(pa.float32())),
            "ranking": [[arms[place] for place in ranking] for ranking in rankings],
            "propensities": pa.array(list(stored), pa.list_(pa.float64())),
        }
    )
    pq.write_table(slates, tmp_path / "part-0.parquet")
    found = computed(tmp_path / "part-0.parquet", 4)
    np.testing.assert_allclose([row["conditional"] for row in found], stored, rtol=1e-12)
    np.testing.assert_allclose([row["joint"] for row in found], stored.prod(axis=1), rtol=1e-12)
    assert found[7]["slate_id"] == f"{7:064x}"


def test_rows_in_chunks_are_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = computed(write(tmp_path / "weights.jsonl", RANKED * 5), 3)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 400)
    assert computed(tmp_path / "weights.jsonl", 3) == whole
    assert whole[0] == whole[3]


def test_marginals_of_later_slots_are_null_and_it_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "weights.csv", [RANKED[0], RANKED[2]])
    answer = run("--weights", path, "--slots", 4, "--json")
    assert "marginals are exact for slots 1 to 3; those of later slots are null" in answer.stderr
    for row in json.loads(answer.stdout):
        assert len(row["conditional"]) == 4
        assert [each is None for each in row["marginal"]] == [False, False, False, True]


def test_without_rankings_there_are_the_marginals_of_all_candidates(tmp_path: Path) -> None:
    path = write(tmp_path / "weights.parquet", [row | {"may": row["candidates"][1:]} for row in ROWS])
    found = computed(path, 2)
    for row, result in zip(ROWS, found, strict=True):
        share = np.array(row["weights"]) / np.sum(row["weights"])  # type: ignore[arg-type]
        np.testing.assert_allclose(result["marginal"][0], share)
        np.testing.assert_allclose(np.sum(result["marginal"], axis=1), 1)
        assert (result["conditional"], result["joint"]) == (None, None)
    restricted = computed(path, 2, "--eligible", "may")
    assert [row["marginal"][1][0] for row in restricted] == [0, 0, 0]
    later = run("--weights", write(tmp_path / "weights.jsonl", [ROWS[0], ROWS[2]]), "--slots", 4, "--json")
    assert [row["marginal"][3] for row in json.loads(later.stdout)] == [None, None]
    assert "no column ranking" in later.stderr
    assert "0.333" in run("--weights", path, "--slots", 2, "--eligible", "may").stdout


def test_the_table_shows_the_first_rows_and_says_how_many_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "weights.parquet", RANKED * 5)
    answer = run("--weights", path, "--slots", 2)
    assert ["1", "1", "b", "0.300", "0.300", "0.171"] in [line.split() for line in answer.stdout.splitlines()]
    assert "5 more rows: --json or --out gives all" in answer.stdout


GOOD: dict[str, Any] = RANKED[0]
BAD = {
    "candidates and weights are not equally many": {"weights": [0.4, 0.6]},
    "a weight is not finite and > 0": {"weights": [0.4, 0.3, 0.0, 0.3]},
    "a candidate stands twice": {"candidates": ["a", "b", "c", "a"]},
    "the ranking names an arm that is no candidate": {"ranking": ["b", "nope", "a", "c"]},
    "the ranking names an arm twice": {"ranking": ["b", "a", "b"]},
    "fewer than 2 ranked arms are eligible": {"may": ["a", "zz"]},
    "ranking is missing": {"ranking": None},
    "may is missing": {"may": None},
    "weights is not a list of numbers": {"weights": [0.4, None, 0.2, 0.1]},
    "candidates is not a list of ids": {"candidates": ["a", None, "c", "d"]},
}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_bad_rows_are_counted_by_reason_and_stop_it(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"weights{suffix}", [GOOD, *(GOOD | change for change in BAD.values()), GOOD])
    answer = run("--weights", path, "--slots", 2, "--eligible", "may", "--json")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "10 of 12 rows" in answer.stderr
    for place, reason in enumerate(BAD, start=2):
        assert f"  1  {reason} (row {place})" in answer.stderr


def test_bad_rows_go_to_the_quarantine_and_the_others_are_used(tmp_path: Path) -> None:
    path = write(tmp_path / "weights.jsonl", [GOOD, *(GOOD | change for change in BAD.values()), RANKED[2]])
    with path.open("a") as file:
        file.write("no JSON\n" + json.dumps(GOOD | {"weights": "many"}) + "\n")
    found = computed(path, 2, "--eligible", "may", "--quarantine", str(tmp_path / "bad.jsonl"))
    alone = computed(write(tmp_path / "good.jsonl", [GOOD, RANKED[2]]), 2, "--eligible", "may")
    assert found == alone
    bad = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    reasons = [*BAD, "the line is not one JSON object", "weights is not a list of numbers"]
    assert [row["reason"] for row in bad] == reasons
    assert bad[3]["values"]["ranking"] == ["b", "nope", "a", "c"]


DIVERSE = [
    RANKED[0] | {"penalty": 0.5, "groups": ["x", "x", None, "x"]},
    RANKED[1] | {"penalty": None, "groups": None},
    RANKED[2] | {"penalty": 0.25, "groups": ["x", "x", "y", "y", "x"], "ranking": ["e", "b", "a"]},
]


def under_penalty(row: dict[str, Any], eligible: list[str], slots: int) -> list[float]:
    """Slot by slot, by adding up all rankings of the row's depth, cut to the eligible."""
    weight = dict(zip(row["candidates"], row["weights"], strict=True))
    group = dict(zip(row["candidates"], row["groups"], strict=True))
    shown = [arm for arm in row["ranking"] if arm in eligible][:slots]
    cuts = []
    for ranking in permutations(weight, len(row["ranking"])):
        now, probability = dict(weight), 1.0
        for arm in ranking:
            probability *= now[arm] / math.fsum(now.values())
            del now[arm]
            now = {
                a: w * (row["penalty"] if group[a] == group[arm] is not None else 1) for a, w in now.items()
            }
        cuts.append(([arm for arm in ranking if arm in eligible], probability))
    found = []
    for slot in range(slots):
        filled = [(cut, p) for cut, p in cuts if cut[:slot] == shown[:slot] and len(cut) > slot]
        like = math.fsum(p for cut, p in filled if cut[slot] == shown[slot])
        found.append(like / math.fsum(p for _, p in filled))
    return found


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize("eligible", [None, "may"])
def test_slates_under_a_diversity_penalty_have_their_own(
    tmp_path: Path, suffix: str, eligible: str | None
) -> None:
    """Others beside them are Plackett-Luce as ever; marginals are not known under a penalty."""
    more = ["--eligible", eligible] if eligible else []
    found = computed(write(tmp_path / f"slates{suffix}", DIVERSE), 2, *more)
    plain = computed(write(tmp_path / f"plain{suffix}", RANKED), 2, *more)
    assert found[1]["conditional"] == plain[1]["conditional"]
    assert found[1]["marginal"] == plain[1]["marginal"]
    for number in (0, 2):
        row = DIVERSE[number]
        expected = under_penalty(row, row[eligible] if eligible else row["candidates"], 2)
        assert found[number]["conditional"] == pytest.approx(expected, rel=1e-12)
        assert found[number]["joint"] == pytest.approx(math.prod(expected), rel=1e-12)
        assert found[number]["marginal"] == [None, None]


def test_rows_whose_penalty_says_too_little_are_bad(tmp_path: Path) -> None:
    letters = [chr(ord("a") + number) for number in range(13)]
    many = {"candidates": letters, "weights": [1.0] * 13, "ranking": letters, "may": ["a", "b"]}
    bad = [
        DIVERSE[0] | {"groups": None},
        DIVERSE[0] | {"groups": ["x"]},
        DIVERSE[0] | {"groups": [["x"], "x", None, "x"]},
        DIVERSE[0] | {"penalty": 1.5},
        DIVERSE[0] | {"penalty": "much"},
        many | {"penalty": 0.5, "groups": ["x"] * 13, "slate_id": "many"},
    ]
    kept = tmp_path / "bad.jsonl"
    path = write(tmp_path / "slates.jsonl", [*DIVERSE, *bad])
    found = computed(path, 2, "--eligible", "may", "--quarantine", str(kept))
    assert [row["slate_id"] for row in found] == ["s1", "s2", "s3"]
    assert [json.loads(line)["reason"] for line in kept.read_text().splitlines()] == [
        "groups and candidates are not equally many",
        "groups and candidates are not equally many",
        "groups is not a list of ids",
        "penalty is not a number in (0, 1]",
        "penalty is not a number in (0, 1]",
        "penalty: more than 10 candidates are not eligible, so that no propensity follows",
    ]


def test_a_penalty_without_groups_or_without_a_ranking_has_no_propensities(tmp_path: Path) -> None:
    rows = [row | {"penalty": penalty} for row, penalty in zip(RANKED, (None, 0.5, None), strict=True)]
    kept = tmp_path / "bad.jsonl"
    found = computed(write(tmp_path / "slates.parquet", rows), 2, "--quarantine", str(kept))
    assert [row["slate_id"] for row in found] == ["s1", "s3"]
    assert "groups and candidates" in json.loads(kept.read_text())["reason"]
    unranked = [{name: value for name, value in row.items() if name != "ranking"} for row in DIVERSE]
    found = computed(write(tmp_path / "unranked.parquet", unranked), 2, "--quarantine", str(kept))
    assert [row["slate_id"] for row in found] == ["s2"]
    assert "without a ranking" in kept.read_text()


def test_ids_may_be_numbers(tmp_path: Path) -> None:
    rows = [{"candidates": [7, 8, 9], "weights": [0.5, 0.3, 0.2], "ranking": [8, 7, 9]}]
    for suffix in (".parquet", ".csv", ".jsonl"):
        (found,) = computed(write(tmp_path / f"weights{suffix}", rows), 1)
        assert (found["slate_arms"], found["joint"]) == (["8"], pytest.approx(0.3))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--slots", 2, "--eligible", "mya"], 65, "no column mya; it has"),
        (["--slots", 2, "--out", "slates.xlsx"], 65, "ends in .xlsx, not in .parquet, .csv, .jsonl"),
        (["--slots", 2, "--out", "nowhere/slates.csv"], 65, "there is no folder nowhere"),
        (["--slots", 2, "--out", "weights.jsonl"], 65, "is the file that is read"),
        (["--slots", 0], 2, "greater than or equal to 1"),
        ([], 2, "--slots"),
    ],
)
def test_a_mistake_is_one_message_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run("--weights", write(Path("weights.jsonl"), RANKED), *arguments)
    assert answer.exit_code == code
    assert says in " ".join(answer.stderr.split())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("weights.jsonl", '{"candidates": ["a"], "ranking": ["a"]}\n', "no column weights"),
        ("weights.txt", "a", "ends in .txt"),
        ("gone.csv", None, "there is no file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    if content:
        (tmp_path / name).write_text(content)
    answer = run("--weights", tmp_path / name, "--slots", 1)
    assert answer.exit_code == 65
    assert says in answer.stderr


def test_lists_of_texts_and_of_numbers_in_one_column_are_lists_of_ids(tmp_path: Path) -> None:
    rows = (
        'candidates,weights,ranking\n"[""a"",""b""]","[3,1]","[""b""]"\n"[1,2.0]","[1,1]",[2]\n'
        '"[true,""a""]","[1,1]","[""a""]"\n'
    )
    (tmp_path / "mixed.csv").write_text(rows)
    result = run("--weights", tmp_path / "mixed.csv", "--slots", 1, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["candidates"] for row in found] == [["a", "b"], ["1", "2"], ["true", "a"]]
    assert [row["joint"] for row in found] == [0.25, 0.5, 0.5]


def test_weights_whose_sum_no_float_holds_are_a_bad_row(tmp_path: Path) -> None:
    row = {"candidates": ["a", "b"], "weights": [1e308, 1e308], "ranking": ["a"]}
    (tmp_path / "large.jsonl").write_text(
        f"{json.dumps(row)}\n{json.dumps(row | {'weights': [1e308, 1e307]})}\n"
    )
    result = run(
        "--weights", tmp_path / "large.jsonl", "--slots", 1, "--json", "--quarantine", tmp_path / "q.jsonl"
    )
    assert [row["joint"] for row in json.loads(result.stdout)] == [pytest.approx(10 / 11)]
    assert "sum to more than a float64 can hold" in (tmp_path / "q.jsonl").read_text()
