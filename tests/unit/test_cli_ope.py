"""`nightslate ope` from a file to its figures, which plain loops compute again."""

import json
import subprocess
import sys
from collections import defaultdict
from math import prod

import pytest
from tests.unit.files import logs
from typer.testing import CliRunner

from nightslate.cli import app

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")
SLATES = ("--slate", "decision", "--slot", "position")
TUNED = ("--tuning", "clipped_ips=1.1", "--tuning", "switch_dr=1.2", "--tuning", "dros=2.5")


def run(*arguments):
    return CliRunner().invoke(app, ["ope", *map(str, arguments)])


def answer(*arguments):
    """The JSON, and nothing else on stdout."""
    ran = run(*arguments, "--json")
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def expected_of_impressions(rows):
    def corrected(weight, q="q_logged", v="v_target"):
        return mean(row[v] + weight(row) * (row["reward"] - row[q]) for row in rows)

    def w(row):
        return row["target_propensity"] / row["propensity"]

    total = sum(map(w, rows))
    agreed = sum(row["target_propensity"] for row in rows)
    return {
        "replay": sum(row["target_propensity"] * row["reward"] for row in rows) / agreed,
        "ips": mean(w(row) * row["reward"] for row in rows),
        "snips": sum(w(row) * row["reward"] for row in rows) / total,
        "clipped_ips": mean(min(w(row), 1.1) * row["reward"] for row in rows),
        "dm": mean(row["v_target"] for row in rows),
        "dr": corrected(w),
        "sndr": mean(row["v_target"] for row in rows)
        + sum(w(row) * (row["reward"] - row["q_logged"]) for row in rows) / total,
        "switch_dr": corrected(lambda row: w(row) if w(row) <= 1.2 else 0),
        "dros": corrected(lambda row: 2.5 * w(row) / (w(row) ** 2 + 2.5)),
        "mrdr": corrected(w, "q_logged_mrdr", "v_target_mrdr"),
        "mips": mean(
            row["target_marginal_propensity"] / row["marginal_propensity"] * row["reward"] for row in rows
        ),
    }


def expected_of_slates(rows):
    decisions = defaultdict(dict)
    for row in rows:
        decisions[row["decision"]][row["position"]] = row
    decided = [[slots[k] for k in sorted(slots)] for slots in decisions.values()]

    def w(row):
        return row["target_propensity"] / row["propensity"]

    def alone(row):
        return row["target_marginal_propensity"] / row["marginal_propensity"]

    def upto(decision, k):
        return prod(map(w, decision[:k]))

    def reward(decision):
        return sum(row["reward"] for row in decision)

    def slot_by_slot(weight):
        value = 0.0
        for k in range(3):
            # a decision that lacks the slot has there the weight of what it does have, and no reward
            weights = [weight(decision, k) for decision in decided]
            rewards = [decision[k]["reward"] if k < len(decision) else 0 for decision in decided]
            value += sum(a * b for a, b in zip(weights, rewards, strict=True)) / sum(weights)
        return value

    n = len(decided)
    return {
        "sips": mean(upto(d, len(d)) * reward(d) for d in decided),
        "iips": mean(sum(alone(row) * row["reward"] for row in d) for d in decided),
        "rips": mean(sum(upto(d, k + 1) * row["reward"] for k, row in enumerate(d)) for d in decided),
        "snsips": sum(upto(d, len(d)) * reward(d) for d in decided) / sum(upto(d, len(d)) for d in decided),
        "sniips": slot_by_slot(lambda d, k: alone(d[k]) if k < len(d) else 1.0),
        "snrips": slot_by_slot(lambda d, k: upto(d, k + 1)),
        "cascade_dr": sum(
            upto(d, k + 1) * (row["reward"] - row["q_logged"]) + upto(d, k) * row["v_target"]
            for d in decided
            for k, row in enumerate(d)
        )
        / n,
        "pseudo_inverse": mean((1 + sum(alone(row) - 1 for row in d)) * reward(d) for d in decided),
    }


def values(result):
    return {name: figures["value"] for name, figures in result["estimators"].items()}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_estimator_of_impressions(tmp_path, suffix):
    rows = logs.bandit()
    result = answer(logs.write(tmp_path / f"log{suffix}", rows), *TUNED)
    assert values(result) == pytest.approx(expected_of_impressions(rows), rel=1e-12)
    assert result["logged"]["value"] == pytest.approx(mean(row["reward"] for row in rows), rel=1e-12)
    difference = result["estimators"]["dr"]["value"] - result["logged"]["value"]
    assert result["difference"]["estimator"] == "dr"
    assert result["difference"]["value"] == pytest.approx(difference, rel=1e-9)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_estimator_of_slates(tmp_path, suffix):
    rows = logs.slates()
    result = answer(logs.write(tmp_path / f"log{suffix}", rows), *SLATES)
    assert values(result) == pytest.approx(expected_of_slates(rows), rel=1e-12)
    assert result["logged"]["value"] == pytest.approx(sum(row["reward"] for row in rows) / 40, rel=1e-12)
    assert result["diagnostics"]["n"] == result["diagnostics"]["clusters"] == 40
    assert result["difference"]["estimator"] == "cascade_dr"


def test_files_of_all_formats_give_one_answer(tmp_path):
    rows = logs.bandit()
    results = [answer(logs.write(tmp_path / f"log{suffix}", rows)) for suffix in SUFFIXES]
    assert all(result == results[0] for result in results)


def test_the_json_has_what_was_promised(tmp_path):
    rows = logs.bandit()
    result = answer(logs.write(tmp_path / "log.csv", rows), "--interval", "delta")
    assert list(result) == [
        "estimators",
        "logged",
        "difference",
        "diagnostics",
        "verdict",
        "reasons",
        "rejected",
        "notes",
    ]
    for name, figures in result["estimators"].items():
        tuned = {"tuning"} if name in ("clipped_ips", "switch_dr", "dros") else set()
        assert figures.keys() == {"value", "stderr", "lower", "upper", "interval"} | tuned
        assert figures["lower"] < figures["value"] < figures["upper"]
        assert figures["interval"] == "delta"
    weights = [row["target_propensity"] / row["propensity"] for row in rows]
    diagnostics = result["diagnostics"]
    assert diagnostics["n"] == 80
    assert diagnostics["clusters"] == len({row["cluster"] for row in rows})
    assert diagnostics["ess"] == pytest.approx(sum(weights) ** 2 / sum(w * w for w in weights))
    assert diagnostics["max_weight"] == max(weights)
    assert diagnostics["mean_weight"] == pytest.approx(mean(weights))
    assert diagnostics["mean_weight_lower"] < mean(weights) < diagnostics["mean_weight_upper"]
    assert 0 <= diagnostics["unsupported_share"] <= 1
    assert result["verdict"] == "not enough evidence"
    assert result["rejected"] == {}


def test_only_the_estimators_whose_columns_are_there(tmp_path):
    few = [
        {name: row[name] for name in ("reward", "propensity", "target_propensity")} | {"colour": "red"}
        for row in logs.bandit()
    ]
    result = answer(logs.write(tmp_path / "log.csv", few))
    assert list(result["estimators"]) == ["replay", "ips", "snips", "clipped_ips"]
    assert result["difference"]["estimator"] == "snips"
    assert "with v_target there would be dm too" in result["notes"]
    slates = logs.without(logs.slates(), "marginal_propensity", "q_logged", "v_target")
    result = answer(logs.write(tmp_path / "slates.csv", slates), *SLATES)
    assert list(result["estimators"]) == ["sips", "rips", "snsips", "snrips"]
    assert result["difference"]["estimator"] == "snrips"


def test_pseudo_inverse_is_there_when_its_weights_follow(tmp_path):
    dependent = logs.slates(independent=False)
    result = answer(logs.write(tmp_path / "dependent.csv", dependent), *SLATES)
    assert "pseudo_inverse" not in result["estimators"]
    assert any("pseudo_inverse is left out" in note for note in result["notes"])

    weight = {row["decision"]: 0.5 + int(row["decision"][1:]) / 40 for row in dependent}
    given = [row | {"pseudo_inverse_weight": weight[row["decision"]]} for row in dependent]
    value = answer(logs.write(tmp_path / "given.csv", given), *SLATES)["estimators"]["pseudo_inverse"][
        "value"
    ]
    assert value == pytest.approx(sum(weight[row["decision"]] * row["reward"] for row in given) / 40)

    one_slot = logs.without([row for row in dependent if row["position"] == 1], "marginal_propensity")
    result = answer(logs.write(tmp_path / "one.csv", one_slot), *SLATES)
    assert values(result)["pseudo_inverse"] == pytest.approx(values(result)["sips"])


def test_clusters_are_the_evidence(tmp_path):
    """Each row twice: as one cluster it is what it was once, as two it is taken for more."""
    rows = [row | {"cluster": place} for place, row in enumerate(logs.bandit(400))]
    named = [row | {"cluster": str(row["cluster"])} for row in rows * 2]
    cases = (rows, rows * 2, named, logs.without(rows * 2, "cluster"))
    files = [logs.write(tmp_path / f"{k}.jsonl", case) for k, case in enumerate(cases)]
    results = [answer(file, "--interval", "delta") for file in files]
    assert [result["diagnostics"]["clusters"] for result in results] == [400, 400, 400, 800]
    assert results[1] == results[2]
    once, twice, _, apart = (result["estimators"]["ips"]["stderr"] for result in results)
    assert twice == pytest.approx(once)
    assert apart == pytest.approx(once / 2**0.5, rel=0.1)


def test_a_log_of_the_target_itself_differs_by_nothing(tmp_path):
    rows = [row | {"target_propensity": row["propensity"]} for row in logs.bandit(200)]
    few = [{name: row[name] for name in ("reward", "propensity", "target_propensity")} for row in rows]
    result = answer(logs.write(tmp_path / "log.parquet", few))
    assert (result["difference"]["lower"], result["difference"]["upper"]) == (0, 0)
    assert result["verdict"] == "test further"
    assert result["diagnostics"]["ess"] == pytest.approx(200)


@pytest.mark.parametrize(("better", "says"), [(1.0, "deploy"), (0.0, "do not deploy")])
def test_a_plain_case_has_a_plain_verdict(tmp_path, better, says):
    """Two arms, both logged half of the time; the target shows the first nearly always."""
    rows = [
        {
            "reward": better if k % 2 else 1 - better,
            "propensity": 0.5,
            "target_propensity": 0.9 if k % 2 else 0.1,
        }
        for k in range(1000)
    ]
    log = logs.write(tmp_path / "log.csv", rows)
    result = answer(log)
    assert result["verdict"] == says
    assert "target minus logged by snips is" in result["reasons"][0]
    assert answer(log, "--baseline", "none")["verdict"] == "test further"
    assert says in run(log).stdout


BAD = [
    ("reward", "", "reward is missing"),
    ("reward", "much", "reward is not a number"),
    ("reward", "NaN", "reward is not finite"),
    ("reward", "inf", "reward is not finite"),
    ("propensity", "", "propensity is missing"),
    ("propensity", "0", "propensity is not in (0, 1]"),
    ("propensity", "-0.1", "propensity is not in (0, 1]"),
    ("propensity", "1.01", "propensity is not in (0, 1]"),
    ("target_propensity", "-1e-9", "target_propensity is not in [0, 1]"),
    ("target_propensity", "1.01", "target_propensity is not in [0, 1]"),
    ("target_propensity", "nan", "target_propensity is not finite"),
    ("q_logged", "", "q_logged is missing"),
    ("cluster", "", "cluster is missing"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD)
def test_a_bad_row_is_never_guessed(tmp_path, column, value, reason):
    rows = logs.bandit()
    log = logs.write(tmp_path / "log.csv", [*rows[:6], rows[6] | {column: value}, *rows[7:]])

    refused = run(log, "--json")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert "1 of 80 rows" in refused.stderr
    assert f"{reason} (row 7)" in refused.stderr

    quarantine = tmp_path / "bad.jsonl"
    result = answer(log, "--quarantine", quarantine, *TUNED)
    assert f"{reason} (row 7)" in run(log, "--quarantine", quarantine).stderr
    assert result["rejected"] == {reason: 1}
    assert values(result) == pytest.approx(expected_of_impressions([*rows[:6], *rows[7:]]), rel=1e-12)
    (kept,) = map(json.loads, quarantine.read_text().splitlines())
    assert (kept["row"], kept["reason"]) == (7, reason)
    assert kept["values"][column] == (value or None)
    assert kept["values"]["v_target"] == str(rows[6]["v_target"])


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"position": 4}, {"its decision lacks a slot": 3}),
        ({"position": 1}, {"its decision has a slot twice": 3}),
        ({"position": 0}, {"another row of its decision is bad": 2, "position is not 1, 2, 3, …": 1}),
        ({"propensity": 0}, {"another row of its decision is bad": 2, "propensity is not in (0, 1]": 1}),
        ({"cluster": "other"}, {"cluster differs within its decision": 3}),
    ],
)
def test_a_decision_with_a_bad_row_is_bad_as_a_whole(tmp_path, change, reasons):
    rows = [row | {"cluster": row["decision"]} for row in logs.slates()]
    changed = [row | change if (row["decision"], row["position"]) == ("d2", 2) else dict(row) for row in rows]
    log = logs.write(tmp_path / "log.jsonl", changed)
    refused = run(log, *SLATES)
    assert refused.exit_code == 2
    assert f"3 of {len(rows)} rows" in refused.stderr
    result = answer(log, *SLATES, "--quarantine", tmp_path / "bad.jsonl")
    assert result["rejected"] == reasons
    assert values(result) == pytest.approx(
        expected_of_slates([row for row in rows if row["decision"] != "d2"]), rel=1e-12
    )
    assert {json.loads(line)["values"]["decision"] for line in (tmp_path / "bad.jsonl").open()} == {"d2"}


@pytest.mark.parametrize(
    ("rows", "arguments", "says"),
    [
        (
            logs.without(logs.bandit(), "propensity"),
            (),
            "no column propensity; it has reward, target_propensity",
        ),
        ([{"reward": 1, "propensity": 1, "target_prob": 1}], (), "is target_prob what is meant?"),
        (logs.slates(), ("--slate", "decision"), "slates need both --slate"),
        (logs.slates(), ("--slate", "decision", "--slot", "slot"), "no column slot"),
        (
            [row | {"position": row["position"] - 1} for row in logs.slates()],
            SLATES,
            "slots count from 1: add 1",
        ),
        (logs.bandit(), ("--interval", "hoeffding"), "add --range LOW,HIGH"),
        (logs.bandit(), ("--interval", "bootstap"), "is bootstrap what is meant?"),
        (logs.bandit(), ("--range", "0,.5"), "reward is outside 0 to 0.5"),
        (logs.bandit(), ("--range", "1"), "--range is two numbers"),
        (logs.bandit(), ("--range", "1,0"), "low < high"),
        (logs.bandit(), ("--estimators", "ips,cascade_dr"), "cascade_dr needs a log of slates"),
        (logs.slates(), (*SLATES, "--estimators", "dr"), "dr needs a log of single impressions"),
        (logs.bandit(), ("--estimators", "iops"), "is ips what is meant?"),
        (logs.bandit(), ("--tuning", "ips=3"), "not an estimator with a tuning parameter"),
        (logs.bandit(), ("--tuning", "dros=-1"), "value > 0"),
        (logs.bandit(), ("--confidence", "95"), "confidence must be in (0, 1)"),
        (logs.bandit(), ("--max-weight", "9"), "add that"),
        (logs.bandit(), ("--baseline", "other"), "they are logged, none"),
    ],
)
def test_a_mistake_says_what_to_do(tmp_path, rows, arguments, says):
    ran = run(logs.write(tmp_path / "log.jsonl", rows), *arguments, "--json")
    assert ran.exit_code == 65
    assert ran.stdout == ""
    assert says in ran.stderr


@pytest.mark.parametrize("ends", [("0,1",), ("0:1",), ("0", "1")])
def test_a_range_can_be_written_in_three_ways(tmp_path, ends):
    log = logs.write(tmp_path / "log.csv", logs.bandit(2000))
    result = answer("--interval", "empirical-bernstein", "--range", *ends, "--max-weight", 5, log)
    ips = result["estimators"]["ips"]
    assert ips["interval"] == "empirical_bernstein"
    assert ips["lower"] < ips["value"] < ips["upper"]
    assert not any("--max-weight" in note for note in result["notes"])


def test_seed_and_resamples_are_those_of_the_bootstrap(tmp_path):
    log = logs.write(tmp_path / "log.csv", logs.bandit())
    bounds = [
        answer(log, *options)["estimators"]["ips"]["lower"]
        for options in ((), ("--seed", 0), ("--seed", 1), ("--resamples", 200))
    ]
    assert bounds[0] == bounds[1]
    assert len(set(bounds)) == 3


def test_propensities_that_are_too_small_are_named(tmp_path):
    rows = [
        {
            "reward": 1,
            "propensity": 0.75 if k % 4 else 0.1,
            "target_propensity": 0.2,
            "arm_id": "b" if k % 4 else "a",
            "slot": 1,
        }
        for k in range(4000)
    ]
    log = logs.write(tmp_path / "log.csv", rows)
    (off,) = answer(log)["diagnostics"]["calibration"]["off"]
    assert (off["arm"], off["slot"], off["shown"], off["decisions"]) == ("a", "1", 1000, 4000)
    assert off["mean"] == pytest.approx(2.5)
    assert "propensities of arm a in slot 1 are too small" in run(log).stdout


def test_people_read_a_table(tmp_path):
    ran = run(logs.write(tmp_path / "log.csv", logs.bandit()), *TUNED)
    assert ran.exit_code == 0
    lines = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert lines[0].startswith("80 impressions of ")
    expected = expected_of_impressions(logs.bandit())
    for name, value in expected.items():
        assert any(line.startswith(f"{name} {value:.3g}"[: len(name) + 5]) for line in lines), name
    assert any("too few: at least 100" in line for line in lines)
    assert "verdict: not enough evidence" in lines
    assert "\x1b" not in ran.stdout
    assert any(line.endswith("the model alone over the tuning value") for line in lines)


def test_support_is_judged_where_the_log_says_what_it_is(tmp_path):
    """A mean weight of 0.8 is no measurement of the support."""
    rows = [
        {"reward": k % 2, "propensity": 0.5, "target_propensity": 0.4, "unsupported_mass": 0.2}
        for k in range(500)
    ]
    says = "the log could not show too much"
    assert says in run(logs.write(tmp_path / "known.csv", rows)).stdout
    assert says not in run(logs.write(tmp_path / "log.csv", logs.without(rows, "unsupported_mass"))).stdout


def test_it_is_a_program(tmp_path):
    rows = logs.bandit()
    log = logs.write(tmp_path / "log.parquet", [*rows[:3], rows[3] | {"reward": None}, *rows[4:]])
    command = [sys.executable, "-m", "nightslate.cli", "ope", str(log), "--json"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "reward is missing (row 4)" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_model_whose_columns_contradict_each_other_decides_nothing(tmp_path):
    """Target and logging policy are one, so v_target has to be q_logged on average; 0.5 more would pass for
    an improvement."""
    rows = [
        {
            "reward": k % 2,
            "propensity": 0.5,
            "target_propensity": 0.5,
            "q_logged": 0.3 + k % 5 / 10,
            "v_target": 1.0,
        }
        for k in range(1000)
    ]
    result = answer(logs.write(tmp_path / "log.csv", rows))
    assert result["estimators"]["dr"]["value"] == pytest.approx(1.0)
    assert result["difference"]["estimator"] == "snips"
    assert result["verdict"] == "test further"
    assert result["notes"][0].startswith(
        "v_target is not what the target can expect of q_logged: it is +0.5 off"
    )
    agreeing = [row | {"v_target": row["q_logged"]} for row in rows]
    result = answer(logs.write(tmp_path / "agreeing.csv", agreeing))
    assert result["difference"]["estimator"] == "dr"
    assert not any("v_target is" in note for note in result["notes"])
