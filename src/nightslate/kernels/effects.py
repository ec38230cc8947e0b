"""Effects of treatments on users, learnt from those of whom it is known what came (`FinishedUsers`): passes
over them, each of which goes by what the ones before it have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core.allocation import Limits, contextual_shares
from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.effects import (
    CrossFitted,
    EffectSums,
    Observed,
    OutcomeSums,
    ResidualSums,
    UserSample,
    Worth,
    columns,
    could_be,
    nobody,
    own_fold,
    pseudo_outcomes,
)
from nightslate.core.effects.linear import Fits
from nightslate.core.experiments import Moments
from nightslate.core.hashing import seed
from nightslate.core.uplift import Grid, RankedSums
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.finished_users import PROBABILITIES, VALUES, VARIANT
from nightslate.kernels.lists import matrix, place_in
from nightslate.kernels.rewards import folds_of
from nightslate.kernels.scoring import in_chunks

FINISHED = "finished"
"""What the rows of `FinishedUsers` are called among the tables of a unit."""

Key = tuple[str, ...]
OUTCOMES, SAMPLE, EFFECTS, RESIDUALS = "outcomes", "sample", "effects", "residuals"
VALUE, SLOPE, TENTHS, RANKS = "value", "slope", "tenths", "ranks"


@dataclass(frozen=True)
class EffectLessons:
    """How users teach: by which encoder; the variants that probabilities are of, the control and the
    treatments whose effects are learnt among them; how many metrics there are, and folds of users."""

    program: str
    encoder: Encoder
    variants: Sequence[str]
    control: str
    treatments: Sequence[str]
    metrics: int
    folds: int

    @cached_property
    def places(self) -> tuple[int, Ints]:
        """Those of the control and of the treatments among the variants."""
        names = [*self.variants]
        return names.index(self.control), np.array([names.index(name) for name in self.treatments])

    def observed(self, tables: Mapping[str, pa.Table]) -> Iterator[Observed]:
        """The users of a unit, as many at a time as memory holds."""
        for rows in in_chunks(tables[FINISHED]):
            keys = user_keys(rows)
            yield Observed(
                contexts=self.encoder(rows),
                fold=folds_of(keys, self.program, self.folds),
                variant=place_in(rows[VARIANT], pa.array(self.variants, pa.string())),
                probabilities=matrix(rows[PROBABILITIES]),
                values=matrix(rows[VALUES]),
                keys=keys,
            )

    def scored(self, users: Observed, models: Floats) -> tuple[Floats, Bools]:
        """Pseudo-outcomes (n, F, T, M) of users, by what others make expected (`OutcomeSums.models`), and who
        could be in each treatment (n, T)."""
        control, treatments = self.places
        return pseudo_outcomes(users, models, control, treatments), could_be(users, control, treatments)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of effects: folds, treatments, features, metrics."""
        return self.folds, len(self.treatments), self.encoder.width, self.metrics


@dataclass(frozen=True)
class Outcomes:
    """The first pass: what came of users in each variant, and a sample of them, so many at most."""

    lessons: EffectLessons
    sampled: int

    def initial(self) -> dict[Key, Any]:
        """Of no users."""
        of, variants = self.lessons, len(self.lessons.variants)
        sample = UserSample.of(nobody(of.encoder.width, variants, of.metrics), self.sampled)
        sums = OutcomeSums.initial(of.folds, variants, of.encoder.width, of.metrics)
        return {(OUTCOMES,): sums, (SAMPLE,): sample}

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Key, Any]]:
        """Of some."""
        sums, sample = self.initial().values()
        for users in self.lessons.observed(tables):
            sums, sample = sums.update(users), sample.merge(UserSample.of(users, self.sampled))
        yield (OUTCOMES,), sums
        yield (SAMPLE,), sample


@dataclass(frozen=True)
class PseudoOutcomes:
    """The second pass: sums of pseudo-outcomes. expected: `OutcomeSums.models`."""

    lessons: EffectLessons
    expected: Floats

    def initial(self) -> dict[Key, Any]:
        """Of no users."""
        return {(EFFECTS,): EffectSums.initial(*self.lessons.shape)}

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Key, Any]]:
        """Of some."""
        sums = self.initial()[EFFECTS,]
        for users in self.lessons.observed(tables):
            sums = sums.update(users, *self.lessons.scored(users, self.expected))
        yield (EFFECTS,), sums


@dataclass(frozen=True)
class Residuals:
    """The third pass, for standard errors: what is left of pseudo-outcomes. fits: by linear model."""

    lessons: EffectLessons
    expected: Floats
    fits: Mapping[str, Fits]

    def initial(self) -> dict[Key, Any]:
        """Of no users."""
        return {(RESIDUALS, name): ResidualSums.initial(*self.lessons.shape) for name in self.fits}

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Key, Any]]:
        """Of some."""
        states = self.initial()
        for users in self.lessons.observed(tables):
            scored = self.lessons.scored(users, self.expected)
            for name, fits in self.fits.items():
                states[RESIDUALS, name] = states[RESIDUALS, name].update(users, *scored, fits)
        yield from states.items()


@dataclass(frozen=True)
class Judged:
    """The last pass: how models do by users of folds that they did not learn from. limits: between what
    shares move, which values are of; leader: the model that others are held against; grids, edges: by model
    and treatment the groups that users are ranked in, and the ends of tenths of what is said of them."""

    lessons: EffectLessons
    expected: Floats
    models: Mapping[str, CrossFitted]
    worth: Worth
    limits: Limits
    leader: str
    grids: Mapping[Key, Grid]
    edges: Mapping[Key, Floats]

    def initial(self) -> dict[Key, Any]:
        """Of no users: of values by model, first of it and then of how much it is above the leader's, and by
        model and treatment."""
        found = dict[Key, Any]({(VALUE,): Moments.initial((1,), 2 * len(self.models))})
        for name, variant in self._each:
            found[SLOPE, name, variant] = Moments.initial((1,), 4)
            found[TENTHS, name, variant] = Moments.initial((len(self.edges[name, variant]) + 1,), 3)
            found[RANKS, name, variant] = RankedSums.initial(self.grids[name, variant])
        return found

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Key, Any]]:
        """Of some."""
        states = self.initial()
        for users in self.lessons.observed(tables):
            self._judge(users, states)
        yield from states.items()

    @property
    def _each(self) -> list[tuple[str, str]]:
        return [(name, variant) for name in self.models for variant in self.lessons.treatments]

    def _judge(self, users: Observed, states: dict[Key, Any]) -> None:
        scores, could = self.lessons.scored(users, self.expected)
        came, one_cell = self.worth.of(own_fold(users, scores)), np.zeros(len(users.fold), dtype=np.int64)
        values = {}
        for name, model in self.models.items():
            effects = model.held_out(users)
            values[name] = self._value(self.worth.score(effects), came)
            said = self.worth.of(effects.mean)
            for place, variant in enumerate(self.lessons.treatments):
                at = np.flatnonzero(could[:, place])
                self._compare(name, variant, users.keys[at], said[at, place], came[at, place], states)
        above = [values[name] - values[self.leader] for name in self.models]
        of_users = np.stack([*values.values(), *above], axis=1)
        states[VALUE,] = states[VALUE,].update(one_cell, of_users)

    def _value(self, scores: Floats, came: Floats) -> Floats:
        """(n,) what each user earns where shares go by scores (n, T), over what it earns by fixed ones."""
        _, treatments = self.lessons.places
        asked = np.full((len(scores), len(self.lessons.variants)), np.nan)
        asked[:, treatments] = scores
        moved = contextual_shares(self.limits, asked) - self.limits.baseline
        return np.asarray((moved[:, treatments] * came).sum(axis=1))

    def _compare(
        self, name: str, variant: str, keys: Keys, said: Floats, came: Floats, states: dict[Key, Any]
    ) -> None:
        of = name, variant
        one_cell, tenth = np.zeros(len(keys), dtype=np.int64), np.searchsorted(self.edges[of], said, "right")
        in_tenths = np.stack([said, came, np.ones(len(keys))], axis=1)
        states[SLOPE, *of] = states[SLOPE, *of].update(one_cell, columns(came, said))
        states[TENTHS, *of] = states[TENTHS, *of].update(tenth, in_tenths)
        states[RANKS, *of] = states[RANKS, *of].update(
            self.grids[of], said, came, np.zeros(len(keys)), keys, seed(self.lessons.program, "effects")
        )
