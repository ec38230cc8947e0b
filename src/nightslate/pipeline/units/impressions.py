"""Training and evaluation on impressions one by one, or on the decisions that they are slots of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core.ope.bounded_model import Bounded
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.policies import Arms, LinearThompson
from nightslate.core.policies.learner import State
from nightslate.engines import Tables
from nightslate.kernels.control_evaluation import Controlled, ControlsOfUnits
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.epsilon_sweeps import EpsilonSweeps
from nightslate.kernels.examination import Examination, FoldExaminations
from nightslate.kernels.folds import Key
from nightslate.kernels.progressive import Cohorts, Found, Progressive, found_of
from nightslate.kernels.training import AnyLearner, Earned, Lessons, winsorised
from nightslate.pipeline.arms import arm_ids
from nightslate.pipeline.fitting import (
    arms_by_learner,
    categories,
    context_encoder,
    declared_models,
    described_arms,
    fitted_policies,
    interval_of,
    known_reward_range,
    learners,
    looked_at,
    model_seed,
)
from nightslate.pipeline.hourly_lessons import HourlyLogs, counts_by_hour, learn_by_hour
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.matured_logs import (
    Logs,
    lessons_learnt,
    logs_to_weigh,
    matured_logs,
    value_counts,
)
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.observed_delays import delays_found
from nightslate.pipeline.slot_examination import examination_metrics, examined, in_words, surface_column
from nightslate.pipeline.units.results import ControlsFound, Evaluated, Trained
from nightslate.pipeline.units.sweeps import Swept, epsilon_metrics, epsilons_swept
from nightslate.pipeline.units.sweeps import in_words as epsilons_in_words
from nightslate.pipeline.units.uplift import Uplifts

_REWARD_MODEL = "reward model"


class OnImpressions:
    """Those that count by now."""

    def trained(self, night: IssueNight, logs: LogTables, offered: pa.Table) -> Trained:
        """Every learner, fitted on the training window."""
        arms, window = arm_ids(offered), night.issue.training.window_days
        matured = matured_logs(night, logs, arms, window)
        counts = value_counts(night, matured, (*categories(night), *surface_column(night)))
        encoder = context_encoder(night, counts, offered)
        examination = examined(night, matured, counts, folds=1)
        epsilons = self._epsilons(night, logs, offered)
        fitted = learners(night, epsilons, offered)
        described = arms_by_learner(night, offered, encoder, fitted)
        lessons = Lessons(
            matured.matured, fitted, encoder, arms, 1, examination.for_folds, beside=looked_at(described)
        )
        states, earned = _learnt(night, matured, lessons)
        policies = fitted_policies(night, fitted, states, described)
        rows = next(count for _, count in policies.values())
        delays = delays_found(night, matured.matured)
        return Trained(
            encoder=encoder,
            policies=policies,
            reward_range=earned.range,
            metrics={
                "matured_impressions": rows,
                **examination_metrics(examination),
                **delays.metrics,
                **epsilon_metrics(epsilons),
            },
            words=f"{rows} impressions that count{in_words(examination)}{delays.words}"
            f"{epsilons_in_words(epsilons)}",
            tables=delays.tables,
        )

    def evaluated(
        self,
        night: IssueNight,
        logs: LogTables,
        offered: pa.Table,
        cohorts: Cohorts,
        epsilons: Mapping[str, float],
    ) -> Evaluated:
        """Every learner, cross-fitted over the evaluation window; and on the cohorts."""
        setup = _set_up(night, logs, offered, learners(night, epsilons, offered))
        weighed = setup.weighed
        how = Progressive(cohorts, setup.evaluator, setup.shown, night.name)
        sweeps, uplift = _sweeps(night, setup.evaluator), _uplift(night, cohorts, setup.evaluator, weighed)
        looks: list[Progressive | EpsilonSweeps | Uplifts] = [how, sweeps, *([uplift] if uplift else [])]

        def update(tables: Tables) -> Iterator[tuple[Key, Any]]:
            rows = weighed.rows(tables)
            for look in looks:
                yield from look.update(rows)

        initial = {key: state for look in looks for key, state in look.initial().items()}
        states = night.engine.fold(initial, update, weighed.work)
        cross_fitted, progressive = how.found(states)
        swept = Swept.of(night, sweeps.found(states), setup.evaluator.rewards).rows(epsilons)
        return Evaluated(
            cross_fitted=cross_fitted,
            cohorts=cohorts,
            progressive=progressive,
            units=f"{night.issue.unit.name}s that count",
            rewards=setup.rewards,
            metrics=examination_metrics(setup.examination, "evaluation.examination"),
            words=in_words(setup.examination) + setup.left_out,
            tables={
                **({"sweeps": swept} if swept else {}),
                **({"uplift": uplift.rows(states)} if uplift else {}),
            },
        )

    def short_outcomes(
        self, night: IssueNight, logs: LogTables, offered: pa.Table, cohorts: Cohorts
    ) -> Found:
        """What cohorts say whose impressions have had the windows of the issue's rewards, of the credits of
        its kinds of outcomes alone. See `short_outcomes.night_of_short_outcomes`."""
        setup = _set_up(night, logs, offered, {}, frozenset(night.issue.rewards.values))
        weighed = setup.weighed
        how = Progressive(cohorts, setup.evaluator, setup.shown, night.name)
        states = night.engine.fold(
            how.no_cohorts(), lambda tables: how.of_cohorts(weighed.rows(tables)), weighed.work
        )
        return found_of(states, cohorts)

    def against_controls(
        self, night: IssueNight, logs: LogTables, offered: pa.Table, controlled: Controlled
    ) -> ControlsFound:
        """The champion of each day and the controls, on what was shown on the day."""
        setup = _set_up(night, logs, offered, {})
        evaluator = replace(setup.evaluator, estimators=(night.issue.judged_by,))
        how = ControlsOfUnits(controlled, evaluator, setup.shown, night.name)
        weighed = setup.weighed
        states = night.engine.fold(
            how.initial(), lambda tables: how.update(weighed.rows(tables)), weighed.work
        )
        return ControlsFound(list(states.values()), setup.rewards)

    def _epsilons(self, night: IssueNight, logs: LogTables, offered: pa.Table) -> dict[str, float]:
        """Of the learners whose epsilon the night chooses, by the sweep that `evaluated` makes as well: over
        the evaluation window, of each user's rows by what the others taught."""
        unset = dict.fromkeys(night.issue.epsilon_ranges, 0.0)
        if not unset:
            return {}
        fitted = learners(night, unset, offered)
        setup = _set_up(night, logs, offered, {name: fitted[name] for name in unset})
        weighed = setup.weighed
        sweeps = _sweeps(night, setup.evaluator)
        states = night.engine.fold(
            sweeps.initial(), lambda tables: sweeps.update(weighed.rows(tables)), weighed.work
        )
        return Swept.of(night, sweeps.found(states), setup.evaluator.rewards).chosen()


def _learnt(
    night: IssueNight, matured: Logs, lessons: Lessons
) -> tuple[Mapping[str, tuple[State, ...]], Earned]:
    """What the impressions that count teach, and what they have earned."""
    if not counts_by_hour(night):
        return lessons_learnt(night, matured, lessons)
    hourly = HourlyLogs.of(night, matured)
    learnt = learn_by_hour(night, hourly, lessons, lessons_learnt(night, hourly.before, lessons))
    return learnt.states, learnt.earned


@dataclass(frozen=True)
class _SetUp:
    """The impressions of the evaluation window that policies are weighed on, a word on what is left out, the
    arms that they show, how likely slots are looked at, how policies are evaluated on them, and what one
    reward can be, where that is known."""

    weighed: Logs
    left_out: str
    shown: frozenset[str]
    examination: FoldExaminations
    evaluator: Evaluator
    rewards: RewardRange | None


def _set_up(
    night: IssueNight,
    logs: LogTables,
    offered: pa.Table,
    given: Mapping[str, AnyLearner],
    kinds: frozenset[str] | None = None,
) -> _SetUp:
    """The given learners, and the reward model, fitted for the users of each fold on all others. `kinds`: of
    outcomes whose credits are rewards, where not all are."""
    issue, rules, arms = night.issue, night.issue.evaluation, arm_ids(offered)
    learnt_from = matured_logs(night, logs, arms, rules.window_days, kinds)
    counts = value_counts(
        night, learnt_from, (*{*night.program.columns_of_contexts, *surface_column(night), "arm_id"},)
    )
    encoder = context_encoder(night, counts, offered)
    declared = declared_models(night, given, offered, encoder)
    fitted = {name: learner for name, learner in given.items() if name not in declared}
    described = {
        **arms_by_learner(night, offered, encoder, fitted),
        _REWARD_MODEL: described_arms(night, offered, encoder),
    }
    seen = winsorised(encoder, counts)
    examination = examined(night, learnt_from, counts, rules.folds)
    lessons = Lessons(
        matured=learnt_from.matured,
        learners={**fitted, _REWARD_MODEL: _reward_model(night)},
        encoder=encoder,
        arms=arms,
        folds=rules.folds,
        examined=examination.for_folds,
        seen_as={_REWARD_MODEL: seen},
        beside=looked_at(described),
    )
    taught, earned = lessons_learnt(night, learnt_from, lessons)
    crossfit = _crossfit(night, described, fitted, taught, examination.for_folds)
    weighed, left_out = logs_to_weigh(night, logs.impressions, learnt_from)
    weighed_arms = value_counts(night, weighed, ("arm_id",)) if issue.external else counts
    shown = frozenset(weighed_arms["arm_id"])
    rewards = known_reward_range(night, {*arms, *counts["arm_id"]})
    least, most = _possible(rewards, earned)
    evaluator = Evaluator(
        arms=arms,
        supported=np.array([arm in shown for arm in arms]),
        encoder=encoder,
        floor=issue.floor,
        estimators=issue.estimators,
        slots=issue.slots_weighed,
        crossfit=replace(
            crossfit, reward_model=[Bounded(model, seen, least, most) for model in crossfit.reward_model]
        ),
        rewards=rewards if interval_of(night).guaranteed else None,
        costs=issue.rewards.costs,
        restricted=night.program.sends is not None,
        declared=declared,
    )
    return _SetUp(weighed, left_out, shown, examination, evaluator, rewards)


def _sweeps(night: IssueNight, evaluator: Evaluator) -> EpsilonSweeps:
    """Of the learners whose epsilon the night chooses, by the one estimator that the gate has."""
    of_night = replace(evaluator, estimators=(night.issue.judged_by,))
    return EpsilonSweeps.of(of_night, epsilons_swept(night), night.name)


def _uplift(night: IssueNight, cohorts: Cohorts, evaluator: Evaluator, weighed: Logs) -> Uplifts | None:
    """None where the program does not ask for it."""
    asked = night.issue.uplift
    return Uplifts.of(night, cohorts, evaluator, asked.baseline, weighed) if asked else None


def _possible(known: RewardRange | None, earned: Earned) -> tuple[float, float]:
    """The range of rewards, or else of those that there were: a model expects nothing outside of it."""
    if known:
        return known.low, known.high
    low, high = earned.range
    return low or 0.0, high or 0.0


def _crossfit(
    night: IssueNight,
    arms: Mapping[str, Arms],
    fitted: Mapping[str, AnyLearner],
    states: Mapping[str, Sequence[Any]],
    examination: Sequence[Examination],
) -> CrossFit:
    """What is fitted for the users of each fold, with the seeds that the night's models have."""
    policies = {
        name: [learner.fit(state, arms[name], model_seed(night, name)) for state in states[name]]
        for name, learner in fitted.items()
    }
    judge, of_judge = _reward_model(night), arms[_REWARD_MODEL]
    reward_model = [judge.fit(state, of_judge, seed=0) for state in states[_REWARD_MODEL]]
    return CrossFit(policies, reward_model, examination)


def _reward_model(night: IssueNight) -> LinearThompson:
    """The regression whose expectations DR corrects; only its means are used, never its draws."""
    return LinearThompson(ridge=night.issue.evaluation.reward_model_ridge, draws=1)
