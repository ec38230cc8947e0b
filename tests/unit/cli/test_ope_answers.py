"""What `nightslate ope` makes of its figures: JSON, a page for people, a verdict."""

import numpy as np
import pytest
from tests.unit.cli.ope_runs import TUNED, answer, expected_of_impressions, mean, run
from tests.unit.files import logs


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
        told = {"remark"} if name == "dm" else set()
        assert figures.keys() == {"value", "stderr", "lower", "upper", "interval"} | tuned | told
        if name == "dm":
            assert figures["stderr"] is figures["lower"] is figures["upper"] is None
        else:
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


def test_support_is_judged_where_the_log_says_what_it_is(tmp_path):
    """A mean weight of 0.8 is no measurement of the support."""
    rows = [
        {"reward": k % 2, "propensity": 0.5, "target_propensity": 0.4, "unsupported_mass": 0.2}
        for k in range(500)
    ]
    says = "the log could not show too much"
    assert says in run(logs.write(tmp_path / "known.csv", rows)).stdout
    assert says not in run(logs.write(tmp_path / "log.csv", logs.without(rows, "unsupported_mass"))).stdout


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


@pytest.mark.parametrize("interval", ["bootstrap", "delta"])
def test_no_reward_at_all_is_no_certainty_of_nothing(tmp_path, interval):
    """Four rewards of 0: nobody knows what others would have been, and a join may have failed."""
    rows = [{"reward": 0, "propensity": 0.5, "target_propensity": p} for p in (0.2, 0.8, 0.2, 0.8)] * 50
    log = logs.write(tmp_path / "log.csv", rows)
    result = answer(log, "--interval", interval)
    for figures in (*result["estimators"].values(), result["logged"], result["difference"]):
        assert figures["value"] == 0
        assert figures["stderr"] is figures["lower"] is figures["upper"] is None
        assert "a join of rewards that failed looks exactly like this" in figures["remark"].lower()
    assert result["verdict"] == "not enough evidence"
    assert "has no interval: nothing varies" in result["reasons"][-1]
    (note,) = [note for note in result["notes"] if "nothing varies" in note]
    assert note.startswith("replay, ips, snips, clipped_ips, what was logged: nothing varies")
    assert note.endswith("(--range LOW,HIGH)")
    ran = run(log, "--interval", interval)
    assert "0 to 0" not in ran.stdout
    assert "A join of rewards that failed looks exactly like this" in " ".join(ran.stdout.split())


def test_a_range_gives_what_is_known_where_all_rewards_are_0(tmp_path):
    """1 - 0.05**(1 / 200) = 0.01487 of what is logged, and 1.6 times that of the target."""
    rows = [{"reward": 0, "propensity": 0.5, "target_propensity": p} for p in (0.2, 0.8, 0.2, 0.8)] * 50
    result = answer(logs.write(tmp_path / "log.csv", rows), "--range", "0,1")
    assert result["logged"]["interval"] == "rule_of_three"
    assert (result["logged"]["lower"], result["logged"]["upper"]) == pytest.approx((0, 0.014867), rel=1e-3)
    snips, difference = result["estimators"]["snips"], result["difference"]
    assert (snips["lower"], snips["upper"]) == pytest.approx((0, 0.023787), rel=1e-3)
    assert (difference["lower"], difference["upper"]) == pytest.approx((-0.023787, 0.023787), rel=1e-3)
    assert result["verdict"] == "test further"


def rare(rows, seed):
    """80 arms shown at random, a reward that does not depend on them, and a target that avoids one."""
    draw = np.random.default_rng(seed)
    arms, rewards = draw.integers(0, 80, rows), draw.random(rows) < 0.0038
    return [
        {
            "reward": int(reward),
            "propensity": 1 / 80,
            "target_propensity": (0.9 / 79 if arm else 0) + 0.1 / 80,
        }
        for arm, reward in zip(arms, rewards, strict=True)
    ]


def test_what_luck_says_of_rare_rewards_is_to_be_tested_further(tmp_path):
    """Where the arm that is avoided had no reward, the interval is over 0."""
    over = 0
    for seed in (1, 2, 3, 4):
        result = answer(logs.write(tmp_path / f"{seed}.csv", rare(10_000, seed)), "--interval", "delta")
        over += result["difference"]["lower"] > 0
        assert result["verdict"] == "test further", seed
        assert ("by luck: one more unit" in result["reasons"][-1]) == (result["difference"]["lower"] > 0)
    assert over >= 2


@pytest.mark.parametrize(("better", "word"), [(True, "deploy"), (False, "do not deploy")])
def test_what_is_better_is_still_deployed_and_what_is_worse_is_not(tmp_path, better, word):
    """10 arms of which half are rewarded 11 times in 100 and half 9 times; the target shows one half."""
    draw = np.random.default_rng(5)
    arms = draw.integers(0, 10, 20_000)
    rewards = draw.random(20_000) < np.where(arms < 5, 0.11, 0.09)
    rows = [
        {"reward": int(reward), "propensity": 0.1, "target_propensity": 0.19 if (arm < 5) == better else 0.01}
        for arm, reward in zip(arms, rewards, strict=True)
    ]
    result = answer(logs.write(tmp_path / "log.csv", rows), "--interval", "delta")
    assert result["verdict"] == word


@pytest.mark.parametrize("slates", [False, True], ids=["impressions", "slates"])
def test_a_row_that_makes_an_estimate_by_itself_is_named(tmp_path, slates):
    """One user of 300 of whom a model expects -230, where rewards are 0 and 1."""
    draw = np.random.default_rng(1)
    rows = [
        {
            "reward": int(reward),
            "propensity": 0.5,
            "target_propensity": 0.5,
            "q_logged": 0.35,
            "v_target": 0.35,
        }
        for reward in draw.random(300) < 0.35
    ]
    rows[17]["v_target"] = -230.0
    rows = (
        [{"decision": f"d{place}", "position": 1} | row for place, row in enumerate(rows)] if slates else rows
    )
    log = logs.write(tmp_path / "log.csv", rows)
    arguments = ("--slate", "decision", "--slot", "position") if slates else ()
    (note,) = [note for note in answer(log, *arguments)["notes"] if "alone moves" in note]
    assert note.startswith("decision 'd17' alone moves" if slates else "row 18 alone moves")
    assert ("cascade_dr by -0.76" if slates else "dr by -0.76") in note
    assert "ips by" not in note
