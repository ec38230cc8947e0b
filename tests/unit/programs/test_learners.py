"""What a learner does unless it is told: the same, whether a program or the library is asked."""

from dataclasses import MISSING, fields
from typing import get_args

import pytest
from pydantic import ValidationError

from nightslate.core.attribution import Rule
from nightslate.core.fitted_q import FittedQ
from nightslate.core.policies import LEARNERS
from nightslate.core.policies.declared_rule import DeclaredRule
from nightslate.kernels.attribution import Attributor
from nightslate.programs.learners import (
    EpsilonGreedyLearner,
    EpsilonRange,
    FittedQLearner,
    LearnerSpec,
)
from nightslate.programs.rewards import MAX_TOUCHES, Rewards

SPECS = get_args(get_args(LearnerSpec)[0])
KINDS = {get_args(spec.model_fields["kind"].annotation)[0]: spec for spec in SPECS}
BUILT = {**LEARNERS, FittedQ.kind: FittedQ, DeclaredRule.kind: DeclaredRule}


def defaults(kind):
    return {field.name: field.default for field in fields(kind) if field.default is not MISSING}


def test_every_kind_of_learner_can_be_named_and_built():
    assert KINDS.keys() == BUILT.keys()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_defaults_that_stand_in_a_program_and_in_the_library_are_the_same(kind):
    said = {name: field.default for name, field in KINDS[kind].model_fields.items()}
    both = (defaults(BUILT[kind]).keys() & said.keys()) - {"parameters"}
    assert {name: said[name] for name in both} == {name: defaults(BUILT[kind])[name] for name in both}


def test_which_regressor_fitted_q_goes_by_stands_once():
    assert "estimator" not in defaults(FittedQ)
    assert FittedQLearner(kind="fitted_q").estimator == "hist_gradient_boosting_regressor"


def test_attribution_has_the_same_limits_everywhere():
    assert defaults(Rule)["max_touches"] == MAX_TOUCHES
    assert defaults(Attributor)["max_outcomes"] == Rewards.model_fields["max_outcomes"].default


@pytest.mark.parametrize("spec", [EpsilonGreedyLearner, FittedQLearner])
def test_layers_alone_are_a_list(spec):
    (kind,) = get_args(spec.model_fields["kind"].annotation)
    said = spec(kind=kind, estimator="mlp_regressor", parameters={"hidden_layer_sizes": [8, 4], "alpha": 1})
    assert said.parameters == {"hidden_layer_sizes": (8, 4), "alpha": 1}
    for wrong in ({"max_iter": [8]}, {"hidden_layer_sizes": []}, {"hidden_layer_sizes": [8, 0.5]}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            spec(kind=kind, estimator="mlp_regressor", parameters=wrong)


@pytest.mark.parametrize("spec", [EpsilonGreedyLearner, FittedQLearner])
def test_a_night_may_choose_the_epsilon_between_two_ends(spec):
    (kind,) = get_args(spec.model_fields["kind"].annotation)
    of_kind = {"kind": kind} | ({"choose": "epsilon_greedy"} if kind == "fitted_q" else {})
    assert spec(**of_kind, epsilon="auto").epsilon == EpsilonRange(least=0.02, most=0.3)
    assert spec(**of_kind, epsilon={"least": 0.05}).epsilon == EpsilonRange(least=0.05, most=0.3)
    assert spec(**of_kind, epsilon=0.25).epsilon == 0.25
    for wrong, says in (
        ("car", "epsilon"),
        (1.5, "epsilon"),
        ({"least": 0.3, "most": 0.3}, "is not under most"),
        ({"least": -0.1}, "greater than or equal to 0"),
        ({"most": 0.5, "lest": 0.1}, "lest"),
    ):
        with pytest.raises(ValidationError, match=says):
            spec(**of_kind, epsilon=wrong)


def test_no_epsilon_is_chosen_where_none_is_played():
    with pytest.raises(
        ValidationError, match="a night chooses it where choose is epsilon_greedy, not greedy"
    ):
        FittedQLearner(kind="fitted_q", epsilon="auto")
