"""Training and evaluation on the trajectories of decisions that follow one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from nightslate.core.fitted_q import FittedQ, FittedQPolicy
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Interval
from nightslate.core.ope.results import results
from nightslate.core.policies import Uniform
from nightslate.engines import Tables, Work
from nightslate.errors import SpecError
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.folds import Key, of_others
from nightslate.kernels.progressive import Cohorts
from nightslate.kernels.rewards import folds_of
from nightslate.kernels.training import encoder_for
from nightslate.kernels.trajectory_evaluation import (
    FoldFit,
    SequenceEvaluator,
    SequenceFitter,
    SequenceLearner,
    fitted,
)
from nightslate.kernels.trajectory_sums import SUMMED, TrajectorySums
from nightslate.kernels.transitions import SAMPLED_BY, SamplingCounts, sampled, transitions, up_to
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.arms import arm_ids
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.fitting import categories, described_arms, known_reward_range, model_seed
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.stored_meaning import require_one_meaning
from nightslate.pipeline.units.results import Evaluated, Trained
from nightslate.programs.days import first_day
from nightslate.programs.learners import FittedQLearner
from nightslate.programs.sequence import Sequence
from nightslate.tables import Table


class OnTrajectories:
    """Those that are over."""

    def trained(self, night: IssueNight, logs: LogTables, offered: pa.Table) -> Trained:
        """Every learner on the trajectories that ended in the window."""
        known = _known(night, logs.transitions, night.issue.training.window_days, folds=1)
        encoder, arms = encoder_for(night.program.context, known.counts), arm_ids(offered)
        described, policies, curves = described_arms(night, offered, encoder), {}, {}
        rows = sampled(_sample(night, known), rules(night).max_rows, night.name)
        taught = transitions(rows, encoder, arms)
        for name, learner in _learners(night).items():
            policy = fitted(learner, taught, described, model_seed(night, name))
            policies[name] = policy, len(taught.rewards)
            if isinstance(policy, FittedQPolicy):
                curves[f"{name}.change"] = policy.curve.tolist()
        return Trained(
            encoder=encoder,
            policies=policies,
            reward_range=known.sums.range,
            metrics={"transitions": known.sums.rows, "trajectories": known.sums.trajectories},
            words=f"{known.sums.rows} decisions of {known.sums.trajectories} trajectories that are over",
            curves=curves,
        )

    def evaluated(
        self, night: IssueNight, logs: LogTables, offered: pa.Table, cohorts: Cohorts, interval: Interval
    ) -> Evaluated:
        """Every learner on trajectories of users that it was not fitted on, and its action values at every
        epsilon."""
        issue, evaluation, arms = night.issue, night.issue.evaluation, arm_ids(offered)
        known = _known(night, logs.transitions, evaluation.window_days, evaluation.folds)
        encoder = encoder_for(night.program.context, known.counts)
        rewards = known_reward_range(night, {*arms, *known.counts["arm_id"]})
        evaluator = SequenceEvaluator(
            program=night.name,
            arms=arms,
            encoder=encoder,
            fits=_fits(night, known, encoder, offered),
            floor=issue.floor,
            estimators=issue.estimators,
            judged_by=issue.judged_by,
            discount=rules(night).discount,
            steps=known.sums.steps,
            logged_arms=frozenset(known.counts["arm_id"]),
            rewards=rewards if interval.guaranteed else None,
            cohorts=cohorts,
        )

        def update(tables: Tables) -> Iterator[tuple[Key, Any]]:
            return evaluator.update(tables["transitions"])

        found = evaluator.found(night.engine.fold(evaluator.initial(), update, known.work))
        sweeps = [
            {"issue": issue.name, **row}
            for name, state in found.sweeps.items()
            for row in _sweep(name, state, evaluation.confidence, interval)
        ]
        return Evaluated(
            cross_fitted=found.state,
            cohorts=cohorts,
            progressive=found.progressive,
            units="trajectories",
            rewards=rewards,
            metrics={
                f"{name}.ess.step_{step}": float(ess)
                for name, by_step in found.ess_by_step.items()
                for step, ess in enumerate(by_step, start=1)
            },
            tables={"sweeps": sweeps},
        )


@dataclass(frozen=True)
class _Known:
    """The transitions of a window: where they are, what their trajectories come to, how often each value
    occurs, and how their sampling keys are spread over folds of users."""

    work: Work
    sums: TrajectorySums
    counts: Mapping[str, Mapping[str, int]]
    keys: SamplingCounts


def _known(night: IssueNight, table: Table, window_days: int, folds: int) -> _Known:
    """One pass. Raises SpecError where some of them mean what an earlier program said."""
    since, program, discount = first_day(night.ds, window_days), night.name, rules(night).discount
    require_one_meaning(night, table, "transitions", since)
    columns = [column.name for column in table.contract.columns]
    of_window, counted = bucket_input(night, table, columns, since), (*categories(night), "arm_id")
    values, keys = ValueCounts.initial(counted), SamplingCounts.initial(folds)
    initial: dict[str, Any] = {"values": values, "keys": keys, "sums": TrajectorySums.initial()}

    def update(tables: Tables) -> Iterator[tuple[str, Any]]:
        rows = tables["transitions"]
        yield "values", values.update(rows)
        yield "keys", keys.update(rows, program)
        yield "sums", TrajectorySums.of_rows(rows, discount)

    looked_at = of_window.columns((*counted, *SUMMED, *SAMPLED_BY))
    found = night.engine.fold(initial, update, Work({"transitions": looked_at}, night.program.buckets))
    work = Work({"transitions": of_window}, night.program.buckets)
    return _Known(work, found["sums"], found["values"].by_column, found["keys"])


def _sample(night: IssueNight, known: _Known) -> pa.Table:
    """Those of the transitions that a sample of `max_rows` may have, by day: not more than that comes here,
    whatever there is."""
    bound, program = known.keys.bound(rules(night).max_rows), night.name
    rows = night.engine.map(lambda tables: up_to(tables["transitions"], bound, program), known.work)
    return rows.sort_by("ds")


def _fits(
    night: IssueNight, known: _Known, encoder: Encoder, offered: pa.Table
) -> list[Mapping[str, FoldFit]]:
    """For the users of each fold what all others teach."""
    learners, folds, most = _learners(night), night.issue.evaluation.folds, rules(night).max_rows
    fitter = SequenceFitter(
        described=described_arms(night, offered, encoder),
        learners=learners,
        seeds={name: model_seed(night, name) for name in learners},
        floor=night.issue.floor,
        judge=_judge(night),
        discount=rules(night).discount,
    )
    rows = _sample(night, known)
    fold_of, arms = folds_of(user_keys(rows), night.name, folds), arm_ids(offered)
    others = (rows.filter(pa.array(of_others(fold_of, fold, folds))) for fold in range(folds))
    return [fitter(transitions(sampled(each, most, night.name), encoder, arms)) for each in others]


def rules(night: IssueNight) -> Sequence:
    """How its trajectories are made. Raises SpecError for a program that has none."""
    if night.issue.sequence is None:
        raise SpecError(f"{night.name} has no `sequence`: its decisions do not follow one another")
    return night.issue.sequence


def _judge(night: IssueNight) -> FittedQ:
    """As many iterations as the first learner has, with the regressor of the evaluation."""
    learner = next(each for each in _learners(night).values() if isinstance(each, FittedQ))
    return replace(learner, **night.issue.evaluation.regressor.model_dump(), ensemble=1, double=False)


def _learners(night: IssueNight) -> dict[str, SequenceLearner]:
    """The program's learners by name, sorted."""
    discount = rules(night).discount
    return {
        name: FittedQ(discount=discount, **spec.model_dump(exclude={"kind"}))
        if isinstance(spec, FittedQLearner)
        else Uniform()
        for name, spec in sorted(night.issue.learners.items())
    }


def _sweep(
    learner: str, state: EvaluationState, confidence: float, interval: Interval
) -> list[dict[str, Any]]:
    """A row for each epsilon, by the one estimator of the state."""
    return [
        {
            "learner": learner,
            "epsilon": float(found.policy),
            **{
                name: getattr(found, name)
                for name in ("estimator", "value", "stderr", "lower", "upper", "confidence")
            },
            **{name: getattr(found, name) for name in ("ess", "n", "clusters")},
        }
        for found in results(state, confidence, interval)
        if found.reference is None
    ]
