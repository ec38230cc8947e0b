"""Training and evaluation on the trajectories of decisions that follow one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from nightslate.core.fitted_q import FittedQ, FittedQPolicy, Transitions
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.policies import Uniform
from nightslate.engines import Tables, Work
from nightslate.errors import SpecError
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.control_evaluation import Controlled, ControlsOfTrajectories
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
    SequenceSetup,
    SequenceSweep,
    fitted,
)
from nightslate.kernels.trajectory_sums import SUMMED, TrajectorySums
from nightslate.kernels.transitions import SAMPLED_BY, SamplingCounts, sampled, transitions, up_to
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.arms import arm_ids
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.fitting import (
    categories,
    described_arms,
    interval_of,
    known_reward_range,
    model_seed,
    settings,
)
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.stored_meaning import require_one_meaning
from nightslate.pipeline.units.results import ControlsFound, Evaluated, Trained
from nightslate.pipeline.units.sweeps import Swept, epsilon_metrics, epsilons_swept, in_words
from nightslate.programs.days import first_day
from nightslate.programs.learners import FittedQLearner
from nightslate.programs.sequence import Sequence
from nightslate.tables import Table

_UNIFORM = Uniform.kind


class OnTrajectories:
    """Those that are over."""

    def trained(self, night: IssueNight, logs: LogTables, offered: pa.Table) -> Trained:
        """Every learner on the trajectories that ended in the window."""
        known = _known(night, logs.transitions, night.issue.training.window_days, folds=1)
        encoder, arms = encoder_for(night.program.context, known.counts), arm_ids(offered)
        described, policies, curves = described_arms(night, offered, encoder), {}, {}
        rows = sampled(_sample(night, known), rules(night).max_rows, night.name)
        taught = transitions(rows, encoder, arms)
        epsilons = self._epsilons(night, logs, offered)
        for name, learner in _learners(night, epsilons).items():
            policy = fitted(learner, taught, described, model_seed(night, name))
            policies[name] = policy, len(taught.rewards)
            if isinstance(policy, FittedQPolicy):
                curves[f"{name}.change"] = policy.curve.tolist()
        return Trained(
            encoder=encoder,
            policies=policies,
            reward_range=known.sums.range,
            metrics={
                "transitions": known.sums.rows,
                "trajectories": known.sums.trajectories,
                **epsilon_metrics(epsilons),
            },
            words=f"{known.sums.rows} decisions of {known.sums.trajectories} trajectories that are over"
            f"{in_words(epsilons)}",
            curves=curves,
        )

    def evaluated(
        self,
        night: IssueNight,
        logs: LogTables,
        offered: pa.Table,
        cohorts: Cohorts,
        epsilons: Mapping[str, float],
    ) -> Evaluated:
        """Every learner on trajectories of users that it was not fitted on, and its action values at every
        epsilon."""
        issue, (known, setup, rewards) = night.issue, _set_up(night, logs, offered)
        fits = _fits(night, known, setup.encoder, offered, _learners(night, epsilons))
        evaluator = SequenceEvaluator(setup, fits, issue.floor, issue.estimators, cohorts)

        def update(tables: Tables) -> Iterator[tuple[Key, Any]]:
            return evaluator.update(tables["transitions"])

        found = evaluator.found(night.engine.fold(evaluator.initial(), update, known.work))
        swept = Swept.of(night, found.sweeps, setup.rewards)
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
            tables={"sweeps": swept.rows(epsilons)},
        )

    def against_controls(
        self, night: IssueNight, logs: LogTables, offered: pa.Table, controlled: Controlled
    ) -> ControlsFound:
        """The champion of each day and the controls, on trajectories that began on the day. What is still to
        come is fitted for the uniform policy: whatever it is of, estimates stay right."""
        known, setup, rewards = _set_up(night, logs, offered)
        fits = _fits(night, known, setup.encoder, offered, {_UNIFORM: Uniform()})
        how = ControlsOfTrajectories(controlled, setup, [fit[_UNIFORM].model for fit in fits])
        states = night.engine.fold(
            how.initial(), lambda tables: how.update(tables["transitions"]), known.work
        )
        return ControlsFound(list(states.values()), rewards)

    def _epsilons(self, night: IssueNight, logs: LogTables, offered: pa.Table) -> dict[str, float]:
        """Of the learners whose epsilon the night chooses, by the sweep that `evaluated` makes as well: over
        the evaluation window, of each user's trajectories by what the others taught."""
        if not night.issue.epsilon_ranges:
            return {}
        known, setup, _ = _set_up(night, logs, offered)
        described, seeds = described_arms(night, offered, setup.encoder), partial(model_seed, night)
        learners = {
            name: learner
            for name, learner in _learners(night, dict.fromkeys(night.issue.epsilon_ranges, 0.0)).items()
            if isinstance(learner, FittedQ) and name in night.issue.epsilon_ranges
        }
        sweep = SequenceSweep(
            setup,
            [
                {name: learner.fit(taught, described, seeds(name)) for name, learner in learners.items()}
                for taught in _taught(night, known, setup.encoder, offered)
            ],
        )
        found = night.engine.fold(
            sweep.initial(), lambda tables: sweep.update(tables["transitions"]), known.work
        )
        return Swept.of(night, sweep.found(found), setup.rewards).chosen()


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


def _set_up(
    night: IssueNight, logs: LogTables, offered: pa.Table
) -> tuple[_Known, SequenceSetup, RewardRange | None]:
    """The trajectories of the evaluation window, what they are weighed by, and what one reward can be, where
    that is known."""
    issue, evaluation, arms = night.issue, night.issue.evaluation, arm_ids(offered)
    known = _known(night, logs.transitions, evaluation.window_days, evaluation.folds)
    rewards = known_reward_range(night, {*arms, *known.counts["arm_id"]})
    setup = SequenceSetup(
        program=night.name,
        arms=arms,
        encoder=encoder_for(night.program.context, known.counts),
        folds=evaluation.folds,
        judged_by=issue.judged_by,
        discount=rules(night).discount,
        steps=known.sums.steps,
        logged_arms=frozenset(known.counts["arm_id"]),
        rewards=rewards if interval_of(night).guaranteed else None,
        epsilons=epsilons_swept(night),
    )
    return known, setup, rewards


def _fits(
    night: IssueNight,
    known: _Known,
    encoder: Encoder,
    offered: pa.Table,
    learners: Mapping[str, SequenceLearner],
) -> list[Mapping[str, FoldFit]]:
    """For the users of each fold what all others teach."""
    fitter = SequenceFitter(
        described=described_arms(night, offered, encoder),
        learners=learners,
        seeds={name: model_seed(night, name) for name in learners},
        floor=night.issue.floor,
        judge=_judge(night),
        discount=rules(night).discount,
    )
    return [fitter(taught) for taught in _taught(night, known, encoder, offered)]


def _taught(night: IssueNight, known: _Known, encoder: Encoder, offered: pa.Table) -> Iterator[Transitions]:
    """For the users of each fold the transitions of all others, or a sample of them."""
    folds, most, rows = night.issue.evaluation.folds, rules(night).max_rows, _sample(night, known)
    fold_of, arms = folds_of(user_keys(rows), night.name, folds), arm_ids(offered)
    others = (rows.filter(pa.array(of_others(fold_of, fold, folds))) for fold in range(folds))
    return (transitions(sampled(each, most, night.name), encoder, arms) for each in others)


def rules(night: IssueNight) -> Sequence:
    """How its trajectories are made. Raises SpecError for a program that has none."""
    if night.issue.sequence is None:
        raise SpecError(f"{night.name} has no `sequence`: its decisions do not follow one another")
    return night.issue.sequence


def _judge(night: IssueNight) -> FittedQ:
    """As many iterations as the first learner has, with the regressor of the evaluation."""
    learners = _learners(night, dict.fromkeys(night.issue.epsilon_ranges, 0.0)).values()
    learner = next(each for each in learners if isinstance(each, FittedQ))
    return replace(learner, **night.issue.evaluation.regressor.model_dump(), ensemble=1, double=False)


def _learners(night: IssueNight, epsilons: Mapping[str, float]) -> dict[str, SequenceLearner]:
    """The program's learners by name, sorted. epsilons: of those whose epsilon the night chooses."""
    discount = rules(night).discount
    return {
        name: FittedQ(discount=discount, **settings(spec, epsilons.get(name)))
        if isinstance(spec, FittedQLearner)
        else Uniform()
        for name, spec in sorted(night.issue.learners.items())
    }
