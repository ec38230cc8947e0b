"""`nightslate ope` from a file to its figures, which plain loops compute again."""

import json
from collections import defaultdict
from math import prod

import pytest
from typer.testing import CliRunner

from nightslate.cli import app

SLATES = ("--slate", "decision", "--slot", "position")
TRAJECTORIES = ("--trajectory", "journey", "--step", "number")
TUNED = ("--tuning", "clipped_ips=1.1", "--tuning", "switch_dr=1.2", "--tuning", "dros=2.5")


def run(*arguments):
    return CliRunner().invoke(app, ["ope", *map(str, arguments)])


def answer(*arguments):
    """The JSON, and nothing else on stdout."""
    ran = run(*arguments, "--json")
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def values(result):
    return {name: figures["value"] for name, figures in result["estimators"].items()}


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


def paths_of(rows):
    """The rows of each trajectory, in the order of its steps."""
    found = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["number"]):
        found[row["journey"]].append(row)
    return list(found.values())


def weight(path, steps):
    return prod(row["target_propensity"] / row["propensity"] for row in path[:steps])


def expected_of_trajectories(rows, discount):
    paths = paths_of(rows)
    longest = max(map(len, paths))

    def returned(path):
        return sum(discount**t * row["reward"] for t, row in enumerate(path))

    def corrected(path):
        return sum(
            discount**t
            * (weight(path, t + 1) * (row["reward"] - row["q_logged"]) + weight(path, t) * row["v_target"])
            for t, row in enumerate(path)
        )

    total = sum(weight(path, longest) for path in paths)
    return {
        "tis": mean(weight(path, longest) * returned(path) for path in paths),
        "pdis": mean(
            sum(discount**t * weight(path, t + 1) * row["reward"] for t, row in enumerate(path))
            for path in paths
        ),
        "sntis": sum(weight(path, longest) * returned(path) for path in paths) / total,
        "snpdis": sum(
            discount**t
            * sum(weight(path, t + 1) * path[t]["reward"] for path in paths if t < len(path))
            / sum(weight(path, t + 1) for path in paths)
            for t in range(longest)
        ),
        "traj_dr": mean(map(corrected, paths)),
        "fqe": mean(path[0]["v_target"] for path in paths),
    }, mean(map(returned, paths))
