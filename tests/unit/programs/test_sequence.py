"""What a program whose decisions follow one another may say."""

from datetime import timedelta

import pytest

from nightslate.core.ope import TRAJECTORY_ESTIMATORS
from nightslate.pipeline.plan import plan
from nightslate.programs.evaluation import OF_TRAJECTORIES
from nightslate.programs.units import TRAJECTORY

from .test_loading import load, refusal, with_, write

_LEARNERS = {"uniform": {"kind": "uniform"}, "fitted_q": {"kind": "fitted_q"}}


def sequence(learners=None, **changed):
    spec = with_("learners", learners or _LEARNERS)
    gate = {"first_champion": "uniform"}
    rewards = {"values": {"purchase": 1.0}, "window": "3d"}
    own = {"sequence": {"gap": "3d"}, "slots": 1, "rewards": rewards, "gate": gate}
    return {**spec, "variants": {"all": {"share": 1.0, "policy": "champion"}}, **own, **changed}


def test_its_night_puts_decisions_together_before_it_trains(tmp_path):
    program = load(write(tmp_path, sequence()))
    names = [task.step.name for task in plan(program)]
    assert names[:4] == ["ingest", "attribute", "transitions", "train"]
    assert program.only_issue.sequence.span == timedelta(days=17)


def test_trajectories_are_evaluated_by_their_own_estimators(tmp_path):
    issue = load(write(tmp_path, sequence())).only_issue
    assert set(OF_TRAJECTORIES) == set(TRAJECTORY_ESTIMATORS)
    assert issue.unit == TRAJECTORY
    assert issue.judged_by == "traj_dr"
    assert set(issue.estimators) <= set(OF_TRAJECTORIES)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (sequence(sequence=None), "['fitted_q'] learn from sequences"),
        (sequence(learners={"uniform": {"kind": "uniform"}}), "at least one is fitted_q"),
        (sequence({**_LEARNERS, "popular": {"kind": "popularity"}}), "at least one is fitted_q"),
        (sequence(slots=2), "a decision of a sequence has one slot, not 2"),
        (sequence(sequence={"gap": "2d"}), "shorter than the rewards' window"),
        (
            sequence(rewards={"values": {"purchase": 1.0}, "window": "3d", "maturity": "ipcw"}),
            "trajectories are learnt from once they are over",
        ),
        (
            sequence(rewards={"values": {"purchase": 1.0}, "window": "3d", "rate": True}),
            "rewards.rate: what a trajectory is worth is a sum",
        ),
        (sequence(sequence={"gap": "3d", "discount": 0.0}), "sequence.discount: Input should be greater"),
        (sequence(sequence={"gap": "3d", "discount": 1.1}), "sequence.discount: Input should be less"),
        (
            sequence(sequence={"gap": "3d", "longest": "25d"}),
            "evaluation.window_days: none of the trajectories that began in 28 days is over, which takes"
            " sequence.gap and sequence.longest, 672 hours",
        ),
        (
            sequence(sequence={"gap": "3d", "longest": "10d"}, evaluation={"window_days": 13}),
            "evaluation.window_days: none of the trajectories that began in 13 days is over",
        ),
        (sequence(evaluation={"estimators": ["dr"]}), "['dr'] can't weigh trajectories"),
        (
            sequence(gate={"first_champion": "uniform", "estimator": "fqe"}),
            "fqe has a bias that its standard error does not hold",
        ),
        (with_("evaluation", {"estimators": ["pdis"]}), "['pdis'] can't weigh"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, spec, says):
    assert says in refusal(tmp_path, spec)
