"""What a learner does unless it is told: the same, whether a program or the library is asked."""

from dataclasses import MISSING, fields
from typing import get_args

import pytest
from pydantic import ValidationError

from nightslate.core.attribution import Rule
from nightslate.core.fitted_q import FittedQ
from nightslate.core.policies import LEARNERS
from nightslate.kernels.attribution import Attributor
from nightslate.programs.learners import EpsilonGreedyLearner, FittedQLearner, LearnerSpec
from nightslate.programs.rewards import MAX_TOUCHES, Rewards

SPECS = get_args(get_args(LearnerSpec)[0])
KINDS = {get_args(spec.model_fields["kind"].annotation)[0]: spec for spec in SPECS}
BUILT = {**LEARNERS, FittedQ.kind: FittedQ}


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
