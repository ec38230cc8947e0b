"""Training and evaluation of programs whose decisions follow one another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.estimators.estimator import RewardRange
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.intervals import Interval
from nightslate.core.estimators.results import results
from nightslate.core.fitted_q import FittedQ, FittedQPolicy
from nightslate.core.policies import Uniform
from nightslate.errors import SpecError
from nightslate.kernels.progressive import Cohorts
from nightslate.kernels.trajectory_evaluation import SequenceEvaluator, SequenceLearner, fitted
from nightslate.kernels.transitions import sampled, sequence_encoder, transitions
from nightslate.pipeline.arms import arm_ids
from nightslate.pipeline.fitting import described_arms, model_seed
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.stored_meaning import require_one_meaning
from nightslate.pipeline.units.results import Evaluated, LogTables, Trained
from nightslate.programs.days import first_day
from nightslate.programs.learners import FittedQLearner
from nightslate.programs.sequence import Sequence
from nightslate.tables import Table


class OnTrajectories:
    """Those that are over."""

    def trained(self, night: IssueNight, logs: LogTables, offered: pa.Table) -> Trained:
        """Every learner on the trajectories that ended in the window."""
        rows = _ended(night, logs.transitions, night.issue.training.window_days)
        encoder, arms = sequence_encoder(night.program.logs.context, rows), arm_ids(offered)
        described, policies, curves = described_arms(night, offered, encoder), {}, {}
        taught = transitions(sampled(rows, rules(night).max_rows, night.name), encoder, arms)
        for name, learner in _learners(night).items():
            policy = fitted(learner, taught, described, model_seed(night, name))
            policies[name] = policy, len(taught.rewards)
            if isinstance(policy, FittedQPolicy):
                curves[f"{name}.change"] = policy.curve.tolist()
        trajectories = int((rows["step"].to_numpy() == 1).sum())
        return Trained(
            encoder=encoder,
            policies=policies,
            reward_range=_range_of_returns(rows, rules(night).discount),
            metrics={"transitions": rows.num_rows, "trajectories": trajectories},
            words=f"{rows.num_rows} decisions of {trajectories} trajectories that are over",
            curves=curves,
        )

    def evaluated(
        self, night: IssueNight, logs: LogTables, offered: pa.Table, cohorts: Cohorts, interval: Interval
    ) -> Evaluated:
        """Every learner on trajectories of users that it was not fitted on, and its action values at every
        epsilon."""
        issue, evaluation = night.issue, night.issue.evaluation
        rows, known = _ended(night, logs.transitions, evaluation.window_days), evaluation.reward_range
        encoder, fitting = sequence_encoder(night.program.logs.context, rows), _learners(night)
        evaluator = SequenceEvaluator(
            program=night.name,
            arms=arm_ids(offered),
            described=described_arms(night, offered, encoder),
            encoder=encoder,
            learners=fitting,
            seeds={name: model_seed(night, name) for name in fitting},
            floor=issue.floor,
            estimators=issue.estimators,
            judged_by=issue.judged_by,
            judge=_judge(night),
            discount=rules(night).discount,
            max_rows=rules(night).max_rows,
            folds=evaluation.folds,
            rewards=RewardRange(*known) if known and interval.guaranteed else None,
            cohorts=cohorts,
        )
        found = evaluator(rows)
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
            metrics={
                f"{name}.ess.step_{step}": float(ess)
                for name, by_step in found.ess_by_step().items()
                for step, ess in enumerate(by_step, start=1)
            },
            tables={"sweeps": sweeps},
        )


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


def _ended(night: IssueNight, transitions: Table, window_days: int) -> pa.Table:
    since = first_day(night.ds, window_days)
    require_one_meaning(night, transitions, "transitions", since)
    return transitions.rows(since, night.ds)


def _range_of_returns(rows: pa.Table, discount: float) -> tuple[float | None, float | None]:
    """The least and the most that a whole trajectory has earned."""
    worth = discount ** (rows["step"].to_numpy() - 1.0) * rows["reward"].to_numpy()
    of = pa.table({"trajectory": rows["trajectory_id"], "worth": worth}).group_by("trajectory")
    found = pc.min_max(of.aggregate([("worth", "sum")])["worth_sum"]).as_py()
    return found["min"], found["max"]


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
