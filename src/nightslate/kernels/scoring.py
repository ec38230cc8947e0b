"""Users of a day into slates: weights, a Plackett-Luce ranking, and propensities from the weights stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Bools, Float32s, Floats, Ints, Keys
from nightslate.core.hashing import mix, seed
from nightslate.core.policies.by_arm import weights_among
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy, RewardModel
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.channels import CHANNELS, CLOSED, OpenChannels
from nightslate.kernels.first_groups import FirstGroups
from nightslate.kernels.indicators import AnyEncoder
from nightslate.kernels.lists import in_lists, listed, matrix
from nightslate.kernels.show_times import COLUMNS
from nightslate.kernels.slate_ids import ids_of_alike, slate_ids
from nightslate.kernels.slate_weights import WeightAdjustment
from nightslate.kernels.training import arm_key

CHUNK = 16_384

SLATES = arrow.types(load("slates").file_columns)
"""The day is added where they are stored."""

_UNNAMED = SLATES.remove(SLATES.get_field_index("slate_id"))

CHOICES = pa.schema(
    [
        SLATES.field("variant"),
        ("channels", pa.int64()),
        ("closed", pa.string()),
        SLATES.field("user_id"),
        SLATES.field("issue_probability"),
        ("probabilities", pa.list_(pa.float64())),
        ("expected", pa.list_(pa.float64())),
        *(SLATES.field(name) for name in COLUMNS),
    ]
)
"""A user, and what the model of its variant would choose: the probability of each of the model's arms. Where
it is asked for and known, the reward that the model expects of each. Where one issue is drawn for each user,
the probability that it was this one. When the slate may be shown, where there are such times. Where arms have
channels, those that reach the user and the arms that are closed; the model's arms are what that leaves."""


class Group(NamedTuple):
    """Users who are scored alike: those of a variant, whom the same channels reach, if arms have any, and to
    whom limits close the same arms."""

    variant: str
    channels: int | None = None
    closed: str | None = None


@dataclass(frozen=True)
class ScoredBy:
    """A fitted model as scoring needs it."""

    learner: str
    digest: str
    arms: tuple[str, ...]
    encoder: AnyEncoder
    policy: Policy

    def weights(self, rows: pa.Table, floor: float) -> Float32s:
        """(n, A) of the arms for users with these contexts, as they are stored before any goal is looked
        at."""
        return mix_floor(self.choices(rows), floor)

    def weights_among(self, rows: pa.Table, floor: float, eligible: Bools) -> Float32s:
        """(n, A) the same where users get some of the arms alone (n, A), see `among`; 0 of the others."""
        return weights_among(
            eligible, lambda at, arms: self.among(arms).weights(rows.take(pa.array(at)), floor)
        )

    @cached_property
    def arm_keys(self) -> Keys:
        """(A,) what stands in for the arms wherever one needs randomness of its own."""
        return np.array([arm_key(arm) for arm in self.arms], dtype=np.uint64)

    def among(self, places: Ints) -> ScoredBy:
        """The same model, that chooses among some of its arms alone."""
        arms = tuple(self.arms[place] for place in places.tolist())
        return replace(self, arms=arms, policy=self.policy.among(places))

    def choices(self, rows: pa.Table) -> Floats:
        """(n, A) the probability of each arm for users with these contexts: worked out once for all users
        that have the same."""
        return self._of_distinct(rows, self.policy.weights)

    def expected_rewards(self, rows: pa.Table) -> Floats | None:
        """(n, A) what the model expects of each arm for users with these contexts; None where it has no
        view."""
        if not isinstance(self.policy, RewardModel):
            return None
        return self._of_distinct(rows, self.policy.expected_rewards)

    def _of_distinct(self, rows: pa.Table, of_contexts: Callable[[Floats], Floats]) -> Floats:
        first, context_of = self.encoder.distinct(rows)
        contexts = self.encoder(rows.take(pa.array(first)))
        return of_contexts(contexts).take(context_of, axis=0)


@dataclass(frozen=True)
class Scoring:
    """Who is scored by what: `assignment` says which variant a user is in, `variants` which model that has;
    users of `external` variants are scored by none.
    `adjustment` is of all variants but those that are `randomised`, which show what their model chooses.
    `channels`: of the arms on offer, where arms have any: a user gets those of channels that reach it."""

    program: str
    issue: str
    slate_date: date
    depth: int
    floor: float
    assignment: Assignment
    variants: Mapping[str, ScoredBy]
    adjustment: WeightAdjustment = field(default_factory=WeightAdjustment)
    randomised: frozenset[str] = frozenset()
    channels: OpenChannels | None = None
    external: frozenset[str] = frozenset()
    _models: dict[Group, ScoredBy] = field(default_factory=dict, init=False, repr=False, compare=False)

    def model(self, group: Group) -> ScoredBy:
        """What scores these users: it has the arms that they may get."""
        whole = self.variants[group.variant]
        if group.channels is None or self.channels is None:
            return whole
        if group in self._models:
            return self._models[group]
        model = whole.among(self.channels.places(group.channels, whole.arms, group.closed))
        if (
            group.closed is None
        ):  # of those to whom arms are closed there are too many to keep a model of each
            self._models[group] = model
        return model

    def scored(self, users: pa.Table) -> pa.Table:
        """`SLATES` of those of some users who are scored. Variant and ranking come from hashes of the user's
        id."""
        slates = (self.slates(choices) for choices in self.choices(users))
        return pa.concat_tables([SLATES.empty_table(), *slates])

    def choices(self, users: pa.Table, expecting: bool = False) -> Iterator[pa.Table]:
        """`CHOICES` of those of some users who are scored, some thousands at a time, and each group for
        itself; `expecting`: with the rewards that models expect."""
        for chunk in in_chunks(users):
            variant_of = pa.array(self.assignment.variants(user_keys(chunk)), pa.string())
            channels, closed = beside(chunk, CHANNELS, pa.int64()), beside(chunk, CLOSED, pa.string())
            together = pa.table({"variant": variant_of, "channels": channels, "closed": closed})
            for group, places in groups_of(together):
                if group.variant not in self.external:
                    yield chosen(group, self.model(group), chunk.take(pa.array(places)), expecting)

    def slates(self, choices: pa.Table, first_groups: FirstGroups | None = None) -> pa.Table:
        """`SLATES` for users of any variants. first_groups: of a draw that settled from which group of arms
        the first one of each ranking comes."""
        parts = [SLATES.empty_table()]
        for group, places in groups_of(choices):
            drawn = None if first_groups is None else first_groups.take(places)
            mine = choices.take(pa.array(places))
            parts.append(self.slates_among(group, mine, first_groups=drawn))
        return pa.concat_tables(parts)

    def adjustment_of(self, variant: str) -> WeightAdjustment:
        """What is added to the choices of a variant's model."""
        return WeightAdjustment() if variant in self.randomised else self.adjustment

    def weights(self, group: Group, choices: pa.Table) -> Float32s:
        """(n, A) of the group's model's arms, as they are stored for these users."""
        probabilities, model = matrix(choices["probabilities"]), self.model(group)
        return self.adjustment_of(group.variant).weights(probabilities, model.arms, self.floor)

    def slates_among(
        self,
        group: Group,
        choices: pa.Table,
        eligible: Bools | None = None,
        first_groups: FirstGroups | None = None,
        decisions: Keys | None = None,
    ) -> pa.Table:
        """`SLATES` for users of one group, in their order. eligible (n, A): which arms of the model are
        candidates of each; None for all. A ranking is as long as the shortest list of candidates allows.
        first_groups: see `slates`. decisions (n,): what tells decisions of a user apart, each of which then
        draws a ranking of its own."""
        model, adjustment = self.model(group), self.adjustment_of(group.variant)
        weights = self.weights(group, choices)
        night = seed(self.program, self.issue, self.slate_date.isoformat(), "ranking")
        keys = mix(user_keys(choices), night)
        if decisions is not None:
            keys = mix(keys, decisions)
        fewest = (
            len(model.arms) if eligible is None else int(eligible.sum(axis=1).min(initial=len(model.arms)))
        )
        arms, depth = pa.array(model.arms, pa.string()), min(self.depth, fewest)
        first_among = None if first_groups is None else first_groups.holding(model.arms)
        rankings, propensities = adjustment.ranked(
            weights, model.arms, keys, model.arm_keys, depth, eligible, first_among
        )
        same = {
            "issue": self.issue,
            "policy": model.learner,
            "model_digest": model.digest,
            "penalty": adjustment.penalty,
        }
        groups = adjustment.groups_of(model.arms)
        columns = {
            **{name: choices[name] for name in ("user_id", "variant", "issue_probability", *COLUMNS)},
            **{n: pa.repeat(pa.scalar(value, SLATES.field(n).type), len(keys)) for n, value in same.items()},
            "candidates": _of_candidates("candidates", model.arms, len(keys), eligible),
            "groups": _of_candidates("groups", groups, len(keys), eligible),
            "weights": _weights_of_candidates(weights, eligible),
            "ranking": in_lists(arms.take(pa.array(rankings.ravel())), depth),
            "propensities": in_lists(pa.array(propensities.ravel()), depth),
        }
        slates = pa.table([columns[name] for name in _UNNAMED.names], schema=_UNNAMED)
        identified = ids_of_alike if eligible is None else slate_ids
        ids = identified(slates, self.program, self.slate_date)
        return slates.append_column(SLATES.field("slate_id"), ids).select(SLATES.names)


def chosen(group: Group, model: ScoredBy, users: pa.Table, expecting: bool = False) -> pa.Table:
    """`CHOICES` of users of one group; `expecting`: with the rewards that the model expects."""
    probabilities = model.choices(users)
    expected = model.expected_rewards(users) if expecting else None
    columns = {
        "variant": pa.repeat(group.variant, users.num_rows),
        "channels": pa.repeat(pa.scalar(group.channels, pa.int64()), users.num_rows),
        "closed": pa.repeat(pa.scalar(group.closed, pa.string()), users.num_rows),
        "user_id": users["user_id"].combine_chunks(),
        "issue_probability": beside(users, "issue_probability", pa.float64()),
        "probabilities": in_lists(pa.array(probabilities.ravel()), len(model.arms)),
        "expected": pa.nulls(users.num_rows, CHOICES.field("expected").type)
        if expected is None
        else in_lists(pa.array(expected.ravel()), len(model.arms)),
        **{name: beside(users, column, CHOICES.field(name).type) for name, column in COLUMNS.items()},
    }
    return pa.table(columns, schema=CHOICES)


def beside(users: pa.Table, column: str, kind: pa.DataType) -> pa.Array:
    """(n,) a column that users may have; nulls where they have not."""
    if column not in users.column_names:
        return pa.nulls(users.num_rows, kind)
    return users[column].combine_chunks()


def in_chunks(rows: pa.Table) -> Iterator[pa.Table]:
    """Some thousands of rows at a time: all of their weights would fill the memory."""
    for start in range(0, rows.num_rows, CHUNK):
        yield rows.slice(start, CHUNK)


def by_group(choices: pa.Table) -> Iterator[tuple[Group, pa.Table]]:
    """The choices for the users of each group."""
    for group, places in groups_of(choices):
        yield group, choices.take(pa.array(places))


def groups_of(choices: pa.Table) -> Iterator[tuple[Group, Ints]]:
    """Each group, and where its users are."""
    channels = pc.fill_null(choices["channels"], -1).to_numpy()
    closed = pc.fill_null(choices["closed"], "").combine_chunks()
    for variant in sorted(pc.unique(choices["variant"]).to_pylist()):
        of_variant = pc.equal(choices["variant"], variant).to_numpy()
        for bits in np.unique(channels[of_variant]).tolist():
            alike = np.flatnonzero(of_variant & (channels == bits))
            codes = closed.take(pa.array(alike)).dictionary_encode()
            for said, code in sorted((text, at) for at, text in enumerate(codes.dictionary.to_pylist())):
                group = Group(variant, None if bits < 0 else bits, said or None)
                yield group, alike[codes.indices.to_numpy() == code]


def _of_candidates(
    name: str, of_arms: Sequence[str | None] | None, n: int, eligible: Bools | None
) -> pa.Array:
    """(n,) a column of `SLATES` that lists something of each candidate, given that of all arms."""
    if of_arms is None or eligible is None:
        return pa.repeat(pa.scalar(of_arms, SLATES.field(name).type), n)
    return listed(pa.array(of_arms, pa.string()).take(pa.array(np.nonzero(eligible)[1])), eligible)


def _weights_of_candidates(weights: Float32s, eligible: Bools | None) -> pa.Array:
    if eligible is None:
        return in_lists(pa.array(weights.ravel()), weights.shape[1])
    return listed(pa.array(weights[eligible]), eligible)
