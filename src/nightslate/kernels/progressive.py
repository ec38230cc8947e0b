"""Progressive off-policy evaluation: what was shown on a day is weighed by policies that were fitted before
that day began, on whatever was known by then, as they would have acted on it (Dawid, 1984, calls such
statements prequential). Nothing that a row could have taught is in what weighs it, and its errors and those
of other days are no more correlated than their users are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Keys
from nightslate.core.evidence import Stakes, Term
from nightslate.core.hashing import seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.sample import Logged
from nightslate.kernels.cross_fitting import LOGGED, Evaluator, add, by_users
from nightslate.kernels.evidence import EARNED, Evidence, Pair
from nightslate.kernels.folds import Key
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.units import Units, samples_of, units_of

_ESTIMATES = "estimates"
_CROSS_FITTED, _EVIDENCE = ("cross-fitted", 0), ("evidence", 0)


@dataclass(frozen=True)
class Cohort:
    """What was shown on a day, once all that it earned is known. `models`: by learner, of the night before;
    they share their arms. `stakes`: what was known of rewards by then; None where nothing was. `settings`: by
    learner, what its model was fitted with, where that is known."""

    models: Mapping[str, ScoredBy]
    stakes: Stakes | None
    settings: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def arms(self) -> tuple[str, ...]:
        """Those that the models choose from."""
        return next(iter(self.models.values())).arms


@dataclass(frozen=True, eq=False)
class Weighed:
    """n units of one cohort: the id and the user of each (n,), the learner that chose what was shown (n,),
    null where nobody knows, and the sample of each policy, the logged one among them."""

    day: date
    ids: pa.ChunkedArray
    users: Keys
    chosen_by: pa.ChunkedArray
    samples: Mapping[str, Logged]

    @property
    def reward(self) -> Floats:
        """(n,) what each unit earned."""
        return np.asarray(self.samples[LOGGED].reward.reshape(len(self.users), -1).sum(axis=1))

    def chose(self, policy: str) -> Bools:
        """(n,) whether the policy itself chose what was shown."""
        chosen = pc.fill_null(pc.equal(self.chosen_by, policy), False)
        return np.asarray(chosen.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def weight(self, policy: str, tilted: bool) -> Floats:
        """(n,) the importance weight of the policy. It is 1 where the policy chose itself, unless slates are
        tilted: with goals it would be worth less than another that is weighed without them."""
        weight = self.samples[policy].weight
        return weight if tilted else np.where(self.chose(policy), 1.0, weight)


@dataclass(frozen=True)
class Comparison:
    """Learners that are estimated over the same days: all of them have models of each."""

    learners: tuple[str, ...]
    days: frozenset[date]

    @property
    def policies(self) -> tuple[str, ...]:
        """What is estimated: what was logged, then the learners."""
        return (LOGGED, *self.learners)


@dataclass(frozen=True)
class Found:
    """The sums that the estimates of each comparison come from, and the terms of evidence."""

    estimates: tuple[EvaluationState, ...]
    evidence: Evidence


@dataclass(frozen=True)
class Cohorts:
    """`learners`: whose values are estimated. `by_day`: the cohorts by the day shown. `tilted`: whether what
    a policy chose was chosen by other weights than its model's, see `Weighed.weight`."""

    learners: tuple[str, ...]
    by_day: Mapping[date, Cohort]
    tilted: bool = False

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Over all days of each learner those that share them, most days first: a learner that is new takes
        no days from the others. Two learners are compared in the first that has both; the last has all."""
        days_of = {
            name: frozenset(day for day, cohort in self.by_day.items() if name in cohort.models)
            for name in self.learners
        }
        spans = {*days_of.values(), frozenset.intersection(*days_of.values())}
        return tuple(
            Comparison(tuple(name for name in self.learners if days_of[name] >= days), days)
            for days in sorted(spans, key=lambda days: (-len(days), sorted(days)))
        )

    def initial(
        self, estimators: Sequence[str], slots: int, program: str, rewards: RewardRange | None = None
    ) -> Found:
        """What no units say. rewards: the range of one, for intervals that are guaranteed."""
        bootstrap = seed(program, "bootstrap")
        states = (
            EvaluationState.initial(
                comparison.policies, estimators, slots=slots, seed=bootstrap, rewards=rewards
            )
            for comparison in self.comparisons
        )
        return Found(tuple(states), Evidence.initial())

    def add(self, found: Found, weighed: Sequence[Weighed]) -> Found:
        """What was found, and what units of some users say: all of these users' units in all cohorts."""
        evidence = found.evidence
        for units in weighed:
            if stakes := self.by_day[units.day].stakes:
                evidence = evidence.merge(evidence_of(units, stakes, self.tilted))
        estimates = zip(self.comparisons, found.estimates, strict=True)
        return Found(tuple(add_days(state, weighed, comparison) for comparison, state in estimates), evidence)


@dataclass(frozen=True)
class Progressive:
    """How cohorts of impressions, or of decisions, are evaluated. `cross_fitted`: whose reward models, fitted
    on other users, correct doubly robust estimates. `logged_arms`: those that the logs show at all."""

    cohorts: Cohorts
    cross_fitted: Evaluator
    logged_arms: frozenset[str]

    program: str

    def initial(self) -> dict[Key, Any]:
        """What no rows say: of policies that are cross-fitted, of each comparison, and as evidence."""
        return {_CROSS_FITTED: self.cross_fitted.initial(self.program), **self.no_cohorts()}

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What all rows of some users say; of what is progressive those in cohorts."""
        state = self.cross_fitted.initial(self.program)
        for mine in by_users(rows):
            state = self.cross_fitted.weigh(state, mine, self.program)
        yield _CROSS_FITTED, state
        yield from self.of_cohorts(rows)

    def no_cohorts(self) -> dict[Key, Any]:
        """What no rows say, but for what is cross-fitted."""
        return states_of(self._nothing())

    def of_cohorts(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What all rows of some users that are in cohorts say, and nothing that is cross-fitted."""
        found = self._nothing()
        for mine in by_users(rows):
            found = self.cohorts.add(found, list(self._weighed(mine)))
        yield from states_of(found).items()

    def found(self, states: Mapping[Key, Any]) -> tuple[EvaluationState, Found]:
        """Of the states, those of policies that are cross-fitted, and what cohorts say."""
        return states[_CROSS_FITTED], found_of(states, self.cohorts)

    def _nothing(self) -> Found:
        evaluator = self.cross_fitted
        return self.cohorts.initial(evaluator.estimators, evaluator.slots, self.program, evaluator.rewards)

    def _weighed(self, rows: pa.Table) -> Iterator[Weighed]:
        evaluator = self.cross_fitted
        for day, cohort, shown in shown_on_days(rows, self.cohorts):
            units = units_of(shown, cohort.arms, evaluator.slots)
            q, examined = expected_among(shown, units, cohort.arms, evaluator, self.program)
            supported = self._supported(cohort.arms)
            costs = evaluator.costs_apart(cohort.arms)
            targets = [
                units.target(evaluator.weights_of(model, units), q, supported, examined, costs)
                for model in cohort.models.values()
            ]
            names = (LOGGED, *cohort.models)
            samples = dict(zip(names, samples_of(units, targets), strict=True))
            yield Weighed(day, units.ids, units.users, units.first["policy"], samples)

    def _supported(self, arms: Sequence[str]) -> Bools:
        return np.array([arm in self.logged_arms for arm in arms], dtype=np.bool_)


def evidence_of(units: Weighed, stakes: Stakes, tilted: bool) -> Evidence:
    """What some users of a cohort say about each pair of policies, about the value of each policy, and about
    what came where it chose itself. tilted: see `Cohorts`."""
    policies = sorted(units.samples.keys() - {LOGGED})
    weights = {name: units.weight(name, tilted) for name in policies}
    reward, users = units.reward, units.users
    terms = {
        Pair(units.day, "difference", one, other): Term.initial().update(
            stakes, weights[one], weights[other], reward, users
        )
        for one, other in permutations(policies, 2)
    }
    for name in policies:
        terms[Pair(units.day, "value", name, None)] = Term.initial().update(
            stakes, weights[name], None, reward, users
        )
        own = np.flatnonzero(units.chose(name))
        if own.size:
            for about, sign in EARNED.items():
                terms[Pair(units.day, about, name, None)] = Term.initial().update(
                    stakes.times(sign), np.ones(own.size), None, sign * reward[own], users[own]
                )
    return Evidence(terms)


def shown_on_days(rows: pa.Table, cohorts: Cohorts) -> Iterator[tuple[date, Cohort, pa.Table]]:
    """The cohorts of which there are rows, by day, and these rows."""
    day_of = pc.cast(rows["occurred_at"], pa.date32())
    for day in sorted(cohorts.by_day.keys() & {*pc.unique(day_of).to_pylist()}):
        yield day, cohorts.by_day[day], rows.filter(pc.equal(day_of, pa.scalar(day)))


def expected_among(
    shown: pa.Table, units: Units, arms: tuple[str, ...], evaluator: Evaluator, program: str
) -> tuple[Floats, Floats | float]:
    """See `Evaluator.expectations`: of the units of these rows, and of each of their arms."""
    ours = units if arms == evaluator.arms else units_of(shown, evaluator.arms, evaluator.slots)
    q, examined = evaluator.expectations(ours, program)
    return among(q, evaluator.arms, arms), examined


def among(values: Floats, arms: Sequence[str], wanted: Sequence[str]) -> Floats:
    """(n, A) -> (n, W): what is expected of arms, of the wanted ones among them; 0 of those that are gone by
    now, which doubly robust estimates correct."""
    place = {arm: at for at, arm in enumerate(arms)}
    there = [at for at, arm in enumerate(wanted) if arm in place]
    found = np.zeros((len(values), len(wanted)))
    found[:, there] = values[:, [place[wanted[at]] for at in there]]
    return found


def found_of(states: Mapping[Key, Any], cohorts: Cohorts) -> Found:
    """What cohorts say, of the states that `states_of` names."""
    estimates = tuple(states[_ESTIMATES, place] for place in range(len(cohorts.comparisons)))
    return Found(estimates, states[_EVIDENCE])


def states_of(found: Found) -> dict[Key, Any]:
    """What cohorts say, as states that merge each for itself."""
    estimates = {(_ESTIMATES, place): state for place, state in enumerate(found.estimates)}
    return {**estimates, _EVIDENCE: found.evidence}


def add_days(state: EvaluationState, weighed: Sequence[Weighed], comparison: Comparison) -> EvaluationState:
    """The state of a comparison and the units of its days: all of some users' units."""
    mine = [units for units in weighed if units.day in comparison.days]
    if not mine:
        return state
    users = np.concatenate([units.users for units in mine])
    joined = [_joined([units.samples[policy] for units in mine]) for policy in comparison.policies]
    ids = pa.chunked_array([chunk for units in mine for chunk in units.ids.chunks], pa.string())
    return add(state, joined, users, ids)


def _joined(samples: Sequence[Logged]) -> Logged:
    """The units of all of them."""
    names = [field.name for field in fields(samples[0]) if getattr(samples[0], field.name) is not None]
    return type(samples[0])(
        **{name: np.concatenate([getattr(sample, name) for sample in samples]) for name in names}
    )
