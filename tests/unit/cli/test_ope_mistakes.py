"""A mistake on the command line of `nightslate ope` says what to do."""

import subprocess
import sys

import pytest
from tests.unit.cli.ope_runs import SLATES, run
from tests.unit.files import logs


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
        (logs.bandit(), ("--interval", "empirical-likelihood"), "was taken out"),
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


def test_it_is_a_program(tmp_path):
    rows = logs.bandit()
    log = logs.write(tmp_path / "log.parquet", [*rows[:3], rows[3] | {"reward": None}, *rows[4:]])
    command = [sys.executable, "-m", "nightslate.cli", "ope", str(log), "--json"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "reward is missing (row 4)" in refused.stderr
    assert "Traceback" not in refused.stderr
