"""The sums over users that augmented effects are made of, where users have probabilities of their own: two
passes over the logs, the first for models of what users count for, the second for scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.experiments import DailyShares, Moments
from nightslate.core.experiments.augmented import augmented_scores
from nightslate.core.experiments.outcome_model import FOLDS, OutcomeModels, OutcomeSums, expected
from nightslate.core.hashing import deal, seed
from nightslate.core.uplift import Grid, RankedSums
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.experiment_users import DAY, EPOCH, ExperimentUsers, Scope
from nightslate.kernels.features import USER
from nightslate.kernels.named_states import MomentsByName, Place
from nightslate.kernels.readout_counts import Sample
from nightslate.kernels.readouts import Figure, Readout


@dataclass(frozen=True)
class Outcome:
    """What models are of: a metric, and whose users count."""

    metric: str
    scope: Scope


@dataclass(frozen=True)
class Scored:
    """What scores are of: the same, of a variant against the control. By place as other moments, or by day of
    assignment, or these days' shares of both."""

    metric: str
    scope: Scope
    variant: str
    of: str


PLACES, DAYS, SHARES = "places", "days", "shares"
PRIORITIES = "priorities"
POLICY = "own probabilities"
"""In place of a variant: what scores of users' own probabilities are of, against the shares of their day."""


@dataclass(frozen=True, eq=False)
class Known:
    """Of m users: their places among all users, the days of their assignment, their folds, the variants that
    they are in and the probabilities of these, all (m,); what is known of each from before, features (m, d);
    and what each counts for, parts (m, 2)."""

    who: Ints
    day: Ints
    fold: Ints
    variant: Ints
    probability: Floats
    features: Floats
    parts: Floats

    def at(self, which: Bools) -> Self:
        """Of some of them (m,)."""
        return type(self)(*(getattr(self, each.name)[which] for each in fields(self)))


@dataclass(frozen=True)
class Augmented:
    """A readout against a control, whose users are told apart by covariates, and by some values of segments,
    by column, those of the first exposure. priority: the covariate by which it is asked who gains most;
    sampled: one user in so many, of whom its quantiles are taken."""

    readout: Readout
    control: str
    values: Mapping[str, Sequence[str | None]]
    priority: str | None = None
    sampled: int = 1

    @property
    def days(self) -> int:
        """From the first to that of the night."""
        return (self.readout.ds - self.readout.allocated.since).days + 1

    @property
    def outcomes(self) -> list[Outcome]:
        """All of which there are models."""
        scopes: tuple[Scope, ...] = ("assigned", "exposed")
        return [Outcome(name, scope) for name in self.readout.metrics for scope in scopes]

    def initial(self) -> dict[Outcome | str, Any]:
        """Of no users."""
        variants = len(self.readout.allocated.variants)
        found: dict[Outcome | str, Any] = {
            each: OutcomeSums.initial(self.days, variants, self._features(each)) for each in self.outcomes
        }
        return found | ({PRIORITIES: Sample(np.empty(0))} if self.priority else {})

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Outcome | str, Any]]:
        """Of some users who are compared with any others, see `Readout.update`."""
        nobody = self.initial()
        for outcome, users, known in self.of_users(tables):
            some = known.at(self._compared(users)[known.who])
            if self.priority and outcome == self.outcomes[1]:
                dealt = deal(user_keys(pa.table({USER: users.ids})), self._seed("quantiles"), self.sampled)
                yield PRIORITIES, Sample(self.priorities(some)[dealt[some.who] == 0])
            yield (
                outcome,
                nobody[outcome].update(
                    some.day, some.fold, some.variant, some.probability, some.features, some.parts
                ),
            )

    def _compared(self, users: ExperimentUsers) -> Bools:
        """(u,) who could be in the control and in another variant."""
        return np.asarray(users.could[:, self._control] & (users.could.sum(axis=1) > 1))

    def priorities(self, known: Known) -> Floats:
        """(m,) the covariate of that name."""
        return known.features[:, list(self.readout.covariates).index(str(self.priority))]

    def _seed(self, what: str) -> int:
        return seed(self.readout.allocated.salt, what)

    @property
    def _control(self) -> int:
        return list(self.readout.allocated.variants).index(self.control)

    def pairs(self) -> Iterator[tuple[str, list[int]]]:
        """Each variant that is held against the control, and the places of both, the control's first."""
        for place, variant in enumerate(self.readout.allocated.variants):
            if variant != self.control:
                yield variant, [self._control, place]

    def of_users(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Outcome, ExperimentUsers, Known]]:
        """What is known of users, by what models are of."""
        allocated = self.readout.allocated
        for figure, users, who, values in self.readout.of_users(tables):
            keys = user_keys(pa.table({USER: users.ids}))
            variant = users.variant[who]
            yield (
                Outcome(figure.metric, figure.scope),
                users,
                Known(
                    who,
                    day=users.assigned[who] // DAY - (allocated.since - EPOCH).days,
                    fold=deal(keys, self._seed("folds"), FOLDS)[who],
                    variant=variant,
                    probability=users.probabilities[who, variant],
                    features=self._features_of(figure, users, who, values),
                    parts=values[:, :2],
                ),
            )

    def _features(self, outcome: Outcome) -> int:
        """How many there are. Whoever was assigned and shown nothing has no segment."""
        of_segments = self.values.values() if outcome.scope == "exposed" else ()
        return len(self.readout.covariates) + sum(len(each) for each in of_segments)

    def _features_of(self, figure: Figure, users: ExperimentUsers, who: Ints, values: Floats) -> Floats:
        """(m, d)"""
        columns = [values[:, 2::2]]
        for column, told in self.values.items() if figure.scope == "exposed" else ():
            codes, names = users.segment(column)
            places = {name: place for place, name in enumerate(names)}
            mine = np.array([places.get(name, -1) for name in told], dtype=np.int64)
            columns.append((codes[who][:, None] == mine).astype(np.float64))
        return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class Scores:
    """Augmented scores by models, of each variant against the control. grid: of priorities, if any are asked
    for."""

    augmented: Augmented
    models: Mapping[Outcome, OutcomeModels]
    grid: Grid | None = None

    def initial(self) -> dict[Scored, Any]:
        """Of no users."""
        found = dict[Scored, Any]()
        days = self.augmented.days
        for outcome in self.models:
            found[Scored(outcome.metric, outcome.scope, POLICY, PLACES)] = Moments.initial((1,), 4)
            for variant, _ in self.augmented.pairs():
                key = (outcome.metric, outcome.scope, variant)
                found[Scored(*key, PLACES)] = MomentsByName.initial()
                found[Scored(*key, DAYS)] = Moments.initial((days,), 4)
                found[Scored(*key, SHARES)] = DailyShares(np.zeros(days, dtype=np.int64), np.zeros((days, 2)))
                if (grid := self._by_priority(outcome)) is not None:
                    found[Scored(*key, PRIORITIES)] = RankedSums.initial(grid)
        return found

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Scored, Any]]:
        """Of some users, see `Readout.update`."""
        days = self.augmented.days
        for outcome, users, known in self.augmented.of_users(tables):
            models = self.models[outcome]
            crossfitted = _scores(models.crossfitted, known.fold, known)
            of_day = models.sequential.reshape(-1, *models.sequential.shape[2:])
            sequential = _scores(of_day, known.day * FOLDS + known.fold, known)
            of_policies = Scored(outcome.metric, outcome.scope, POLICY, PLACES)
            yield of_policies, self._of_policies(users, known.who, crossfitted)
            for variant, pair in self.augmented.pairs():
                both = users.could[known.who][:, pair].all(axis=1)
                key, who, day = (outcome.metric, outcome.scope, variant), known.who[both], known.day[both]
                of_pair = crossfitted[both][:, pair].reshape(-1, 4)
                yield Scored(*key, PLACES), self._by_place(outcome, variant, users, who, of_pair)
                of_pair = sequential[both][:, pair].reshape(-1, 4)
                yield Scored(*key, DAYS), Moments.initial((days,), 4).update(day, of_pair)
                shares = users.probabilities[who][:, pair]
                yield Scored(*key, SHARES), DailyShares.of(day, shares, days)
                if (grid := self._by_priority(outcome)) is not None:
                    keys = user_keys(pa.table({USER: users.ids}))[who]
                    gain = crossfitted[both][:, pair, 0] @ np.array([-1.0, 1.0])
                    priority, free = self.augmented.priorities(known)[both], np.zeros(who.size)
                    sums = RankedSums.initial(grid).update(grid, priority, gain, free, keys, 0)
                    yield Scored(*key, PRIORITIES), sums

    def _by_priority(self, outcome: Outcome) -> Grid | None:
        """Of means of exposed users: a ratio of two sums is no mean of users' own gains."""
        metric = self.augmented.readout.metrics[outcome.metric]
        return self.grid if outcome.scope == "exposed" and metric.per is None else None

    def _of_policies(self, users: ExperimentUsers, who: Ints, scores: Floats) -> Moments:
        """Of the users whom their own probabilities could send wherever the shares of their day could."""
        own = users.probabilities[who]
        of_day = self.augmented.readout.allocated.of_days(users.assigned[who] // DAY)
        inside = ((own > 0) | (of_day == 0)).all(axis=1)
        both = [np.einsum("uk,ukp->up", each, scores)[inside] for each in (of_day, own)]
        return Moments.initial((1,), 4).update(np.zeros(len(both[0]), dtype=np.int64), np.hstack(both))

    def _by_place(
        self, outcome: Outcome, variant: str, users: ExperimentUsers, who: Ints, scores: Floats
    ) -> MomentsByName:
        found = dict[Place, Moments]()
        segments = self.augmented.readout.segments if outcome.scope == "exposed" else ()
        for column in (None, *segments):
            codes, names = users.segment(column)
            sums = Moments.initial((len(names), 1), 4).update(codes[who], scores)
            for name in np.flatnonzero(sums.n).tolist():
                found[variant, column, names[name]] = sums.cell(name)
        return MomentsByName(found)


def _scores(models: Floats, cell: Ints, known: Known) -> Floats:
    """(m, k, 2)"""
    mean = expected(models, cell, known.features)
    return augmented_scores(mean, known.variant, known.probability, known.parts)
