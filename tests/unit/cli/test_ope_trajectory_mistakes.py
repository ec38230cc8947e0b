"""What `nightslate ope` refuses of trajectories, and what it says then."""

import json

import pytest
from tests.unit.cli.ope_runs import SLATES, TRAJECTORIES, answer, expected_of_trajectories, run, values
from tests.unit.files import logs


def test_the_range_is_that_of_one_reward_as_it_is_in_the_file(tmp_path):
    """Not of a discounted one, nor of the 0 that stands for the steps which a trajectory lacks."""
    rows = [row | {"reward": 1 + row["reward"]} for row in logs.trajectories(400)]
    log = logs.write(tmp_path / "log.csv", logs.without(rows, "q_logged", "v_target"))
    options = (*TRAJECTORIES, "--discount", 0.1, "--interval", "empirical_bernstein")
    result = answer(log, *options, "--range", "1,3", "--max-weight", 100)
    for figures in result["estimators"].values():
        assert figures["lower"] < figures["value"] < figures["upper"]
    refused = run(log, *options, "--range", "1,2.5")
    assert refused.exit_code == 65
    assert "reward is outside 1 to 2.5, which --range allows" in refused.stderr
    model = logs.write(tmp_path / "model.csv", [row | {"v_target": 3.1} for row in rows])
    refused = run(model, *TRAJECTORIES, *options[-2:], "--range", "1,3")
    assert "v_target is outside 1 to 3 for each step to come" in refused.stderr


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"number": 9}, {"its trajectory lacks a step": 3}),
        ({"number": 0}, {"its trajectory has a step twice": 3}),
        ({"number": -1}, {"another row of its trajectory is bad": 2, "number is not {0}, {1}, {2}, …": 1}),
        ({"number": 0.5}, {"another row of its trajectory is bad": 2, "number is not {0}, {1}, {2}, …": 1}),
        ({"number": 1e300}, {"another row of its trajectory is bad": 2, "number is over {3}": 1}),
        ({"number": 1000}, {"another row of its trajectory is bad": 2, "number is over {3}": 1}),
        ({"reward": None}, {"another row of its trajectory is bad": 2, "reward is missing": 1}),
        ({"cluster": "other"}, {"cluster differs within its trajectory": 3}),
    ],
)
def test_a_trajectory_with_a_bad_row_is_bad_as_a_whole(tmp_path, change, reasons, first):
    rows = logs.trajectories(first=first)
    if "number" in change:
        change = {"number": change["number"] + first}
    changed = [row | change if (row["journey"], row["number"]) == ("j2", 1 + first) else row for row in rows]
    log = logs.write(tmp_path / "log.jsonl", changed)
    refused = run(log, *TRAJECTORIES)
    assert refused.exit_code == 2
    assert f"3 of {len(rows)} rows" in refused.stderr
    result = answer(log, *TRAJECTORIES, "--quarantine", tmp_path / "bad.jsonl")
    told = {
        reason.format(first, first + 1, first + 2, first + 999): count for reason, count in reasons.items()
    }
    assert result["rejected"] == told
    figures, _ = expected_of_trajectories([row for row in rows if row["journey"] != "j2"], 1.0)
    assert values(result) == pytest.approx(figures, rel=1e-12)
    assert {json.loads(line)["values"]["journey"] for line in (tmp_path / "bad.jsonl").open()} == {"j2"}


def test_a_trajectory_that_starts_a_step_after_the_others_lacks_one(tmp_path):
    rows = [
        row | {"number": row["number"] + 1} if row["journey"] == "j3" else row
        for row in logs.trajectories(first=0)
    ]
    log = logs.write(tmp_path / "log.csv", rows)
    result = answer(log, *TRAJECTORIES, "--quarantine", tmp_path / "bad.jsonl")
    assert result["rejected"] == {"its trajectory lacks a step": 4}


@pytest.mark.parametrize(
    ("rows", "arguments", "says"),
    [
        (logs.trajectories(), ("--trajectory", "journey"), "trajectories need both --trajectory"),
        (logs.trajectories(), ("--step", "number"), "trajectories need both --trajectory"),
        (logs.trajectories(), (*TRAJECTORIES, *SLATES), "give --slate and --slot, or --trajectory and"),
        (logs.trajectories(), ("--discount", 0.9), "--discount is of the steps of trajectories: add"),
        (logs.slates(), (*SLATES, "--discount", 0.9), "--discount is of the steps of trajectories: add"),
        (logs.trajectories(), (*TRAJECTORIES, "--discount", 0), "a discount must be in (0, 1], got 0"),
        (logs.trajectories(), (*TRAJECTORIES, "--discount", 1.5), "a discount must be in (0, 1], got 1.5"),
        (logs.trajectories(), ("--trajectory", "journy", "--step", "number"), "is journey what is meant?"),
        (
            logs.trajectories(),
            (*TRAJECTORIES, "--estimators", "ips"),
            "ips needs a log of single impressions",
        ),
        (logs.slates(), (*SLATES, "--estimators", "pdis"), "pdis needs a log of trajectories"),
        (
            logs.without(logs.trajectories(), "q_logged"),
            (*TRAJECTORIES, "--estimators", "traj_dr"),
            "traj_dr needs q_logged; this log has what tis,",
        ),
        (
            [
                row | {"propensity": 1e-60}
                for row in logs.without(logs.trajectories(), "q_logged", "v_target")
            ],
            TRAJECTORIES,
            "with v_target a model alone can",
        ),
    ],
)
def test_a_mistake_says_what_to_do(tmp_path, rows, arguments, says):
    ran = run(logs.write(tmp_path / "log.jsonl", rows), *arguments, "--json")
    assert ran.exit_code == 65
    assert ran.stdout == ""
    assert says in ran.stderr


def long_ago(steps=200, **more):
    """A trajectory of so many steps whose weights are 10 each, beside one of a single step."""
    step = {"reward": 1, "propensity": 0.1, "target_propensity": 1.0, **more}
    return [{"journey": "long", "number": n + 1} | step for n in range(steps)] + [
        {"journey": "short", "number": 1} | step
    ]


def test_a_trajectory_whose_weights_no_number_holds_is_named_and_the_model_still_speaks(tmp_path):
    log = logs.write(tmp_path / "log.csv", long_ago(q_logged=0.5, v_target=3.0))
    result = answer(log, *TRAJECTORIES)
    assert values(result) == {"fqe": 3.0}
    assert result["logged"]["value"] == (200 + 1) / 2
    assert (result["verdict"], result["difference"]) == ("not enough evidence", None)
    (reason,) = result["reasons"]
    assert reason.startswith(
        "trajectory 'long' of 200 steps: the first 200 multiply to a weight of 1e200, over 1e+50"
    )
    assert "leave out" not in reason
    assert result["diagnostics"]["ess"] is result["diagnostics"]["mean_weight"] is None
    ran = run(log, *TRAJECTORIES)
    assert ran.exit_code == 0
    assert "trajectory 'long' of 200 steps" in " ".join(ran.stdout.split())


def test_what_needs_such_weights_is_refused_and_steps_that_numbers_hold_are_not(tmp_path):
    refused = run(logs.write(tmp_path / "log.csv", long_ago()), *TRAJECTORIES)
    assert refused.exit_code == 65
    assert "trajectory 'long' of 200 steps" in " ".join(refused.stderr.split())
    model = logs.write(tmp_path / "model.csv", long_ago(v_target=3.0))
    asked = run(model, *TRAJECTORIES, "--estimators", "pdis")
    assert "pdis cannot do without it" in " ".join(asked.stderr.split())
    assert "pdis" in values(answer(logs.write(tmp_path / "short.csv", long_ago(45)), *TRAJECTORIES))
