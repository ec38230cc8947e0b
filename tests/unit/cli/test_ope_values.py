"""Which estimators `nightslate ope` computes, and that plain loops find the same."""

import pytest
from tests.unit.cli.ope_runs import (
    SLATES,
    TUNED,
    answer,
    expected_of_impressions,
    expected_of_slates,
    mean,
    values,
)
from tests.unit.files import logs

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")


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
