"""Effects of users whose probabilities follow the context, by each method that a night tells them by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from rich.console import Console
from rich.table import Table

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.experiments import (
    DailyShares,
    Difference,
    Moments,
    augmented_difference,
    augmented_scores,
    effect,
    policy_difference,
    value_of,
)
from nightslate.core.experiments.outcome_model import FOLDS, OutcomeModels, OutcomeSums, expected

ALPHA = 0.05
_EVEN = np.ones(1)


@dataclass(frozen=True)
class Users:
    """Each (u,): day, fold, variant, the probability of the treatment and its share of the day, whether at
    risk, a covariate and what the user counts for."""

    day: Ints
    fold: Ints
    variant: Ints
    treated: Floats
    share: Floats
    risk: Ints
    x: Floats
    values: Floats

    def at(self, which: Bools) -> Users:
        """Some of them."""
        return Users(*(getattr(self, each.name)[which] for each in fields(self)))


@dataclass(frozen=True)
class Readout:
    """Of users so far, as a night tells it; control and treatment are the variants 0 and 1."""

    users: Users

    def by_method(self, groups: Mapping[str, Bools]) -> dict[str, Difference]:
        """Of all, and of the users (u,) of each group."""
        plain = Moments.initial((2,), 6).update(self.users.variant, self._known)
        weighted = effect(self._weighted.cell(0), self._weighted.cell(1), 1 - ALPHA, plain.pooled(0))
        found = {
            "weighted": weighted.difference,
            "with covariates": weighted.most_precise,
            "aipw": self._augmented(self.crossfitted, self._one_day, _EVEN, self._weighted),
            "adaptive": self._augmented(
                self._sequential, self.users.day, self._shares.weights(0, 1), self._weighted
            ),
            "naive": effect(plain.cell(0), plain.cell(1), 1 - ALPHA).difference,
            "policy": self._policy(),
        }
        for name, mine in groups.items():
            some = Moments.initial((2,), 2).update(
                self.users.variant[mine], (self._parts / self._own[:, None])[mine]
            )
            found[f"weighted, {name}"] = effect(some.cell(0), some.cell(1), 1 - ALPHA).difference
            found[f"aipw, {name}"] = self._augmented(self.crossfitted[mine], self._one_day[mine], _EVEN, some)
        return found

    @cached_property
    def crossfitted(self) -> Floats:
        """(u, 4) augmented scores of the control and of the treatment, each above and below the line."""
        return self._scored(self._models.crossfitted, self.users.fold)

    @cached_property
    def _sequential(self) -> Floats:
        models = self._models.sequential
        return self._scored(models.reshape(-1, *models.shape[2:]), self.users.day * FOLDS + self.users.fold)

    @cached_property
    def _probabilities(self) -> Floats:
        return np.stack([1 - self.users.treated, self.users.treated], axis=1)

    @cached_property
    def _own(self) -> Floats:
        return self._probabilities[np.arange(len(self.users.day)), self.users.variant]

    @cached_property
    def _parts(self) -> Floats:
        return np.stack([self.users.values, np.ones(len(self.users.day))], axis=1)

    @cached_property
    def _features(self) -> Floats:
        return np.stack([self.users.risk, self.users.x], axis=1)

    @cached_property
    def _known(self) -> Floats:
        ones = np.ones(len(self.users.day))
        return np.column_stack([self._parts, self.users.risk, ones, self.users.x, ones])

    @cached_property
    def _weighted(self) -> Moments:
        return Moments.initial((2,), 6).update(self.users.variant, self._known / self._own[:, None])

    @cached_property
    def _one_day(self) -> Ints:
        return np.zeros_like(self.users.day)

    @cached_property
    def _shares(self) -> DailyShares:
        return DailyShares.of(self.users.day, self._probabilities, int(self.users.day.max()) + 1)

    @cached_property
    def _models(self) -> OutcomeModels:
        of, days = self.users, int(self.users.day.max()) + 1
        sums = OutcomeSums.initial(days, 2, self._features.shape[1])
        return OutcomeModels.of(
            sums.update(of.day, of.fold, of.variant, self._own, self._features, self._parts)
        )

    def _scored(self, models: Floats, cell: Ints) -> Floats:
        mean = expected(models, cell, self._features)
        return augmented_scores(mean, self.users.variant, self._own, self._parts).reshape(-1, 4)

    def _augmented(self, scores: Floats, day: Ints, h: Floats, by_weight: Moments) -> Difference:
        moments = Moments.initial((len(h),), 4).update(day, scores)
        arms = (value_of(by_weight.cell(place)) for place in (0, 1))
        return augmented_difference(moments, h, *arms, 1 - ALPHA)

    def _policy(self) -> Difference:
        of_day = np.stack([1 - self.users.share, self.users.share], axis=1)
        scores = self.crossfitted.reshape(-1, 2, 2)
        both = [np.einsum("uk,ukp->up", each, scores) for each in (of_day, self._probabilities)]
        moments = Moments.initial((1,), 4).update(self._one_day, np.hstack(both))
        everybody = Moments.initial((1,), 2).update(self._one_day, self._parts / self._own[:, None]).cell(0)
        return policy_difference(moments, value_of(everybody), 1 - ALPHA)


@dataclass(frozen=True)
class Told:
    """Of one method over all worlds: coverage of the interval of one look, how often that of every look was
    ever wrong; how far effects are off, in their own standard errors and in those of the mean over worlds."""

    coverage: float
    ever: float
    off: float
    off_mean: float

    @classmethod
    def of(cls, errors: Floats, stderrs: Floats, held: Floats, ever: Floats) -> Told:
        """Of each world (w,), see `Told`."""
        return cls(
            float(held.mean()),
            float(ever.mean()),
            float((errors / stderrs).mean()),
            float(errors.mean() / errors.std() * len(errors) ** 0.5),
        )


def told(title: str, names: Iterable[str], found: Floats) -> dict[str, Told]:
    """Prints a line for each of M methods. found (w, M, 4): of each world the error of the effect, its
    standard error, whether its interval of one look holds the truth on the last day, and whether that of
    every look did not on any; NaN without an interval."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = ("", "worlds", "coverage", "ever wrong", "off, in own errors", "of the mean", "spread")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    judged = {
        name: of_one[np.isfinite(of_one[:, 1])].T
        for name, of_one in zip(names, found.swapaxes(0, 1), strict=True)
    }
    lines = {name: Told.of(*of_judged) for name, of_judged in judged.items()}
    for name, line in lines.items():
        errors = judged[name][0]
        rates = [f"{rate:.1%} +/- {error(rate, len(errors)):.1%}" for rate in (line.coverage, line.ever)]
        off = [f"{each:+.2f}" for each in (line.off, line.off_mean)]
        table.add_row(name, f"{len(errors):,}", *rates, *off, f"{errors.std():.3f}")
    Console(width=120).print(f"\n{title}", table, highlight=False)
    return lines


def error(rate: float, worlds: int) -> float:
    """The Monte Carlo error of a rate over so many worlds."""
    return math.sqrt(rate * (1 - rate) / worlds)


def of_world(
    found: Mapping[str, Difference], right: Mapping[str, float], ever: Mapping[str, bool]
) -> Iterator[list[float]]:
    """A row of each method, see `told`."""
    for name, each in found.items():
        if each.lower is None or each.upper is None:
            yield [math.nan] * 4
        else:
            yield [
                each.effect - right[name],
                each.stderr,
                each.lower <= right[name] <= each.upper,
                ever[name],
            ]


def misses(each: Difference, right: float) -> bool:
    """Whether the interval of every look, if there is one yet, does not hold what is right."""
    return each.log_e is not None and not each.anytime_lower <= right <= each.anytime_upper
