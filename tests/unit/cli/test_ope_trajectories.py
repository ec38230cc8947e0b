"""`nightslate ope` of trajectories, which plain loops compute again."""

import re
from pathlib import Path

import pytest
from tests.unit.cli.ope_runs import (
    TRAJECTORIES,
    answer,
    expected_of_trajectories,
    paths_of,
    run,
    values,
    weight,
)
from tests.unit.files import logs

from nightslate.reports.numbers import significant


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("discount", [None, 0.8])
def test_every_estimator_of_trajectories(tmp_path, suffix, discount):
    rows = logs.trajectories()
    options = () if discount is None else ("--discount", discount)
    result = answer(logs.write(tmp_path / f"log{suffix}", rows), *TRAJECTORIES, *options)
    figures, logged = expected_of_trajectories(rows, discount or 1.0)
    assert values(result) == pytest.approx(figures, rel=1e-12)
    assert result["logged"]["value"] == pytest.approx(logged, rel=1e-12)
    assert result["difference"]["estimator"] == "traj_dr"
    assert result["difference"]["value"] == pytest.approx(figures["traj_dr"] - logged, rel=1e-9)


def test_the_diagnostics_go_by_trajectory_customer_and_step(tmp_path):
    rows = logs.trajectories()
    result = answer(logs.write(tmp_path / "log.csv", rows), *TRAJECTORIES)
    diagnostics = result["diagnostics"]
    assert (diagnostics["n"], diagnostics["clusters"], diagnostics["steps"]) == (60, 30, 4)
    weights = [[weight(path, step) for path in paths_of(rows)] for step in range(1, 5)]
    by_step = [sum(ws) ** 2 / sum(w * w for w in ws) for ws in weights]
    assert diagnostics["ess_by_step"] == pytest.approx(by_step)
    assert diagnostics["ess"] == pytest.approx(by_step[-1])
    apart = answer(logs.write(tmp_path / "apart.csv", logs.without(rows, "cluster")), *TRAJECTORIES)
    assert apart["diagnostics"]["clusters"] == 60
    assert "steps" not in answer(logs.write(tmp_path / "log.jsonl", logs.bandit()))["diagnostics"]


def test_the_example_of_the_docs_is_true(tmp_path):
    section = (Path(__file__).parents[3] / "docs" / "ope.md").read_text().split("## Trajectories")[1]
    log = tmp_path / "visits.csv"
    log.write_text(section.split("```csv\n")[1].split("```")[0])
    result = answer(log, "--trajectory", "visit", "--step", "step", "--discount", 0.9)
    assert dict(re.findall(r"\| `(\w+)` \| (\d\.\d{3}) \|", section)) == {
        name: f"{value:.3f}" for name, value in values(result).items()
    }


def test_steps_may_count_from_0(tmp_path):
    files = [logs.write(tmp_path / f"{k}.csv", logs.trajectories(first=k)) for k in (0, 1)]
    from_0, from_1 = (answer(file, *TRAJECTORIES) for file in files)
    assert from_0 == from_1


def test_without_a_model_the_verdict_goes_by_snpdis_and_a_biased_fqe_never_decides(tmp_path):
    bare = logs.without(logs.trajectories(), "q_logged")
    result = answer(logs.write(tmp_path / "log.csv", bare), *TRAJECTORIES)
    assert list(result["estimators"]) == ["tis", "pdis", "sntis", "snpdis", "fqe"]
    assert result["difference"]["estimator"] == "snpdis"
    assert "with q_logged there would be traj_dr too" in result["notes"]


def two_steps(rewards, target, count=2000, **more):
    """Two arms, each logged half of the time; the first one has the first of the rewards."""
    return [
        {
            "journey": k,
            "number": step,
            "reward": rewards[k >> (step - 1) & 1],
            "propensity": 0.5,
            "target_propensity": (target, 1 - target)[k >> (step - 1) & 1],
            **more,
        }
        for k in range(count)
        for step in (1, 2)
    ]


@pytest.mark.parametrize(("rewards", "says"), [((1, 0), "deploy"), ((0, 1), "do not deploy")])
def test_a_plain_case_has_a_plain_verdict(tmp_path, rewards, says):
    log = logs.write(tmp_path / "log.parquet", two_steps(rewards, 0.8))
    result = answer(log, *TRAJECTORIES, "--discount", 0.5)
    assert result["verdict"] == says
    first = 0.8 if rewards[0] else 0.2
    assert result["estimators"]["snpdis"]["value"] == pytest.approx(1.5 * first, abs=1e-12)
    assert "target minus logged by snpdis is" in result["reasons"][0]


def test_a_model_whose_columns_contradict_each_other_decides_nothing(tmp_path):
    """Target and logging policy are one, so v_target has to be q_logged on average."""
    rows = two_steps((1, 0), 0.5, q_logged=0.5)
    says = "v_target is not what the target can expect of q_logged: it is +0.75 off"
    wrong = logs.write(tmp_path / "wrong.csv", [row | {"v_target": 1.0} for row in rows])
    result = answer(wrong, *TRAJECTORIES, "--discount", 0.5)
    assert result["difference"]["estimator"] == "snpdis"
    assert result["notes"][0].startswith(says)
    right = answer(
        logs.write(tmp_path / "right.csv", [row | {"v_target": 0.5} for row in rows]), *TRAJECTORIES
    )
    assert right["difference"]["estimator"] == "traj_dr"
    assert not any("v_target is" in note for note in right["notes"])


def test_people_read_trajectories_and_what_is_left_of_them_step_by_step(tmp_path):
    rows = logs.trajectories()
    ran = run(logs.write(tmp_path / "log.csv", rows), *TRAJECTORIES)
    lines = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert lines[0].startswith("60 trajectories of 30 clusters, intervals of 95 %")
    ess = answer(tmp_path / "log.csv", *TRAJECTORIES)["diagnostics"]["ess_by_step"]
    shown = ", ".join(f"{step}: {significant(left)}" for step, left in enumerate(ess, 1))
    assert f"effective by step {shown}" in lines
    for name, assumes in (("snpdis", "pdis, its weights scaled"), ("fqe", "a right model of all steps")):
        assert any(line.startswith(f"{name} ") and assumes in line for line in lines)


def test_a_long_trajectory_shows_some_of_its_steps(tmp_path):
    rows = [
        {"journey": k, "number": step, "reward": 1, "propensity": 0.5, "target_propensity": 0.5}
        for k in range(3)
        for step in range(1, 102)
    ]
    stdout = run(logs.write(tmp_path / "log.csv", rows), *TRAJECTORIES).stdout
    assert "effective by step  1: 3.00, 21: 3.00, 41: 3.00, 61: 3.00, 81: 3.00, 101: 3.00" in stdout


def test_propensities_that_are_too_small_are_named_by_arm_and_step(tmp_path):
    """An arm that was shown is as possible in later steps."""
    rows = [
        {
            "journey": k,
            "number": step,
            "arm": "a" if (k % 4 == 0) != step else "b",
            "reward": 1,
            "propensity": 0.3 if step else 0.75 if k % 4 else 0.25,
            "target_propensity": 0.5,
        }
        for k in range(2000)
        for step in (0, 1)
    ]
    log = logs.write(tmp_path / "log.csv", rows)
    (off,) = answer(log, *TRAJECTORIES)["diagnostics"]["calibration"]["off"]
    assert (off["arm"], off["step"], off["shown"], off["decisions"]) == ("a", "1", 1500, 2000)
    assert off["mean"] == pytest.approx(2.5)
    assert "propensities of arm a in step 1 are too small" in run(log, *TRAJECTORIES).stdout


def test_what_the_log_says_nothing_of_has_no_value_and_a_reason(tmp_path):
    rows = [row | {"target_propensity": 0} if row["number"] == 1 else row for row in logs.trajectories()]
    result = answer(logs.write(tmp_path / "log.csv", rows), *TRAJECTORIES)
    assert result["estimators"]["snpdis"]["value"] is None
    assert result["estimators"]["pdis"]["value"] == 0
    assert result["diagnostics"]["ess_by_step"] == [0, 0, 0, 0]
    assert any(note.startswith("no value by sntis, snpdis: the weights that") for note in result["notes"])
    assert result["verdict"] == "not enough evidence"
