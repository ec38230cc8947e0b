"""Slates, what an engine showed of them, and what is said of it."""

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from nightslate.contracts import arrow, load
from nightslate.kernels.conform import VERDICT
from nightslate.kernels.slate_propensities import SLATE_COLUMNS, complete

CONTRACT = load("impressions")
ROWS = pa.schema(
    [
        *(arrow.schema(CONTRACT).field(c.name).with_nullable(True) for c in CONTRACT.landing_columns),
        *(pa.field(name, kind) for name, kind in VERDICT.items()),
    ]
)
SLATES = pa.schema([arrow.schema(load("slates")).field(name) for name in SLATE_COLUMNS])
WEIGHTS = {"a": 0.4, "b": 0.3, "c": 0.15, "d": 0.1, "e": 0.05}
NOT_FIRST = ("not_of_slate", "the arms shown are the first of the slate's ranking that are eligible")
MISMATCH = (
    "propensity_mismatch",
    "propensity is the conditional one that follows from the slate, to 1e-06 of it",
)


def slate(
    name="s",
    weights=WEIGHTS,
    ranking="abcd",
    user="u",
    issue="i",
    variant="v",
    penalty=None,
    propensities=None,
    groups=None,
    issue_probability=None,
):
    stored = [float(np.float32(weight)) for weight in weights.values()]
    published = propensities or [0.0] * len(ranking)  # looked at where there is a penalty only
    of = groups and [groups.get(arm) for arm in weights]
    columns = (
        name,
        user,
        issue,
        variant,
        "greedy",
        list(weights),
        stored,
        of,
        penalty,
        list(ranking),
        published,
        issue_probability,
    )
    return dict(zip(SLATE_COLUMNS, columns, strict=True))


SLATE = slate()


def decision(arms="ab", name="d", slate_id="s", user="u", **columns):
    """The rows of a decision that shows these arms from slot 1 on."""
    return [
        {
            "impression_id": f"{name}{slot}",
            "decision_id": name,
            "user_id": user,
            "slot": slot,
            "arm_id": arm,
            "slate_id": slate_id,
            **columns,
        }
        for slot, arm in enumerate(arms, start=1)
    ]


def judged(rows, slates=(SLATE,), kind="conditional"):
    """The completed rows by id, whatever their order."""
    table = complete(pa.Table.from_pylist(rows, ROWS), pa.Table.from_pylist(list(slates), SLATES), kind)
    assert table.schema == ROWS
    found = {row["impression_id"]: row for row in table.to_pylist()}
    assert found.keys() == {row["impression_id"] for row in rows}
    return found


def verdicts(rows, *args):
    return {name: (row["_reason"], row["_clause"]) for name, row in judged(rows, *args).items()}


@st.composite
def cuts(draw):
    """A slate, the eligible arms as logged, and what was shown of it."""
    arms = draw(st.permutations("abcdef"))[: draw(st.integers(1, 5))]
    weights = {arm: draw(st.floats(0.01, 1.0)) for arm in arms}
    depth = draw(st.integers(1, len(arms)))
    ranking = draw(st.permutations(arms))[:depth]
    eligible = draw(st.none() | st.lists(st.sampled_from("abcdefz"), unique=True))
    left = [arm for arm in ranking if eligible is None or arm in eligible]
    return weights, ranking, eligible, left[: draw(st.integers(1, 3))]
