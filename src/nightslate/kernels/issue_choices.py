"""Which issue a user gets whom several concern: drawn by what the policies of these are expected to gain.

An argmax would have no support elsewhere, so the draw has a floor. Its probabilities are a function of the
gains alone, and a row keeps both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.errors import ContractError
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.lists import listed, place_in
from nightslate.kernels.scoring import ScoredBy, in_chunks

ISSUE_CHOICES = arrow.types(load("issue_choices").file_columns)
"""The day is added where they are stored."""


def gains(model: ScoredBy, users: pa.Table, floor: float, baseline: str | None = None) -> Floats:
    """(n,) what the model's policy is expected to earn in the first slot of each user beyond what the
    baseline arm is (None: beyond nothing), at least 0; NaN where the model has no view of rewards. Weights
    are those that are stored before goals and budgets. Raises ContractError where the model does not have
    the baseline arm."""
    expected = model.expected_rewards(users)
    if expected is None:
        return np.full(users.num_rows, np.nan)
    weights = model.weights(users, floor).astype(np.float64)
    value: Floats = (weights * expected).sum(axis=1) / weights.sum(axis=1)
    if baseline is not None:
        if baseline not in model.arms:
            raise ContractError(
                f"issue_choice.baseline: {baseline!r} is not among the arms {', '.join(model.arms)} of"
                f" {model.learner}: have it on offer, or leave the baseline out"
            )
        value -= expected[:, model.arms.index(baseline)]
    return np.asarray(np.maximum(value, 0.0))


def probabilities(gains: Floats, concerned: Bools, floor: float) -> Floats:
    """(n, k) the probability of each issue, of those that are `concerned` with a user (n, k): the floor
    evenly, the rest in proportion to the gains (n, k). Even where none gains anything, or where one's gain is
    not known (NaN). 0 where nothing concerns the user."""
    there = concerned.sum(axis=1, keepdims=True)
    known = ~(np.isnan(gains) & concerned).any(axis=1, keepdims=True)
    gained = np.where(concerned & known, gains, 0.0)
    total = gained.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        even, by_gain = 1.0 / there, gained / total
    mixed = floor * even + (1 - floor) * by_gain
    return np.where(concerned, np.where((there == 1) | (total == 0), even, mixed), 0.0)


def draws(keys: Keys, program: str, slate_date: date) -> Floats:
    """(n,) the number in (0, 1) of each user on a day. keys: `user_keys`."""
    return uniform(mix(keys, seed(program, "issue", slate_date.isoformat())))


def drawn(probabilities: Floats, keys: Keys, program: str, slate_date: date) -> Ints:
    """(n,) the place of the issue that each user gets, by inversion of its draw. Each row of probabilities
    (n, k) sums to 1."""
    reach = probabilities.cumsum(axis=1)
    reach /= reach[:, -1:]
    return np.asarray((reach <= draws(keys, program, slate_date)[:, None]).sum(axis=1), dtype=np.int64)


@dataclass(frozen=True)
class IssuePolicies:
    """What an issue's slates are scored by: which variant a user is in, and each variant's model."""

    assignment: Assignment
    variants: Mapping[str, ScoredBy]
    floor: float

    def gains(self, users: pa.Table, baseline: str | None) -> Floats:
        """(n,) of each user's own policy, see `gains`."""
        found, done = np.full(users.num_rows, np.nan), 0
        for chunk in in_chunks(users):
            variant_of = self.assignment.variants(user_keys(chunk))
            for variant, model in self.variants.items():
                mine = np.flatnonzero(variant_of == variant)
                if mine.size:
                    found[done + mine] = gains(model, chunk.take(pa.array(mine)), self.floor, baseline)
            done += chunk.num_rows
        return found


def weighed(
    rows: int,
    concerned: Sequence[tuple[Ints, pa.Table, IssuePolicies]],
    floor: float,
    baseline: str | None,
) -> tuple[Bools, Floats, Floats]:
    """Of so many rows of users (n, k): which of k issues concern each, what these gain it, NaN where that is
    not known, and the `probabilities`. concerned: of each issue the rows that it concerns, their users, and
    its policies."""
    marks = np.zeros((rows, len(concerned)), dtype=np.bool_)
    found = np.full(marks.shape, np.nan)
    for column, (at, users, policies) in enumerate(concerned):
        marks[at, column] = True
        found[at, column] = policies.gains(users, baseline)
    return marks, found, probabilities(found, marks, floor)


@dataclass(frozen=True)
class IssueDraw:
    """How the users of a day come to their issues: `policies` by issue."""

    program: str
    slate_date: date
    floor: float
    baseline: str | None
    policies: Mapping[str, IssuePolicies]

    def choices(self, concerned: Mapping[str, pa.Table]) -> pa.Table:
        """`ISSUE_CHOICES`, in the order of users. concerned: by issue the users that it concerns, with what
        its models look at; each user of a unit of work at most once."""
        issues = sorted(concerned)  # so that the order in which a program names them has no say
        ids = [concerned[issue]["user_id"].combine_chunks() for issue in issues]
        users = pa.table({"user_id": pc.unique(pa.concat_arrays(ids))}).sort_by("user_id")
        of_issues = [
            (place_in(mine, users["user_id"].combine_chunks()), concerned[issue], self.policies[issue])
            for issue, mine in zip(issues, ids, strict=True)
        ]
        marks, found, chances = weighed(users.num_rows, of_issues, self.floor, self.baseline)
        place = drawn(chances, user_keys(users), self.program, self.slate_date)
        columns = {
            "user_id": users["user_id"],
            "issue": pa.array(issues, pa.string()).take(pa.array(place)),
            "probability": pa.array(chances[np.arange(len(place)), place]),
            "issues": listed(pa.array(issues, pa.string()).take(pa.array(np.nonzero(marks)[1])), marks),
            "probabilities": listed(pa.array(chances[marks]), marks),
            "gains": listed(pa.array(found[marks], from_pandas=True), marks),
        }
        return pa.table([columns[name] for name in ISSUE_CHOICES.names], schema=ISSUE_CHOICES)


def drawn_for(users: pa.Table, choices: pa.Table, issue: str) -> pa.Table:
    """The users that got the issue, with `issue_probability`. choices: those of all of them."""
    mine = choices.filter(pc.equal(choices["issue"], issue))
    place = pc.index_in(users["user_id"], mine["user_id"].combine_chunks())
    chance = mine["probability"].take(place.combine_chunks())
    return users.append_column("issue_probability", chance).filter(place.is_valid())
