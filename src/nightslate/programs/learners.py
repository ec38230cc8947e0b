"""The learners that a program may name, with their settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import permutations
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nightslate.programs.strict import MOST_ROWS, Name, Share, Strength, Strict, Text, Worth

Layers = Annotated[
    tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(strict=False, min_length=1, max_length=20)
]


def _only_layers_are_several(parameters: dict[str, object]) -> dict[str, object]:
    lists = [name for name, value in parameters.items() if isinstance(value, tuple)]
    if set(lists) - {"hidden_layer_sizes"}:
        raise ValueError(f"{', '.join(lists)}: hidden_layer_sizes alone is a list, of whole numbers")
    return parameters


Parameters = Annotated[
    dict[str, bool | int | float | str | Layers | None], AfterValidator(_only_layers_are_several)
]
"""What the constructor of an estimator takes."""


class EpsilonRange(Strict):
    """`epsilon: auto`: each night takes the epsilon between these ends of which its sweep promises most."""

    least: Share = 0.02
    most: Share = 0.3

    @model_validator(mode="after")
    def _is_a_range(self) -> EpsilonRange:
        if not self.least < self.most:
            raise ValueError(f"epsilon: least, {self.least}, is not under most, {self.most}")
        return self


Epsilon = Annotated[
    Share | EpsilonRange, BeforeValidator(lambda said: EpsilonRange() if said == "auto" else said)
]


class UniformLearner(Strict):
    kind: Literal["uniform"]


class RuleLine(Strict):
    """`when`: a condition on what is known of a user; without it everyone is meant. `arms`: a condition on
    what is known of an arm."""

    when: Text | None = None
    arms: Text


class RuleLearner(Strict):
    """A user gets the arms of the first line of `choose` that holds and has an arm that the user may get,
    each as likely; any arm where there is none."""

    kind: Literal["rule"]
    choose: Annotated[tuple[RuleLine, ...], Field(strict=False, min_length=1, max_length=100)]


class Forgetful(Strict):
    """`forgetting`: the weight of a row is this to the power of its age in days."""

    forgetting: float = Field(default=1.0, gt=0, le=1)


class PopularityLearner(Forgetful):
    kind: Literal["popularity"]
    prior_strength: Strength = 100.0


class Contextual(Forgetful):
    """`ignores`: columns of contexts, and features, that it does not look at."""

    ignores: Annotated[tuple[Name, ...], Field(strict=False)] = ()


class Linear(Contextual):
    """`pooling`: whether arms share a prior, all of a model over their features, or are drawn towards it."""

    ridge: Strength = 1.0
    pooling: Literal["disjoint", "shared", "hybrid"] = "disjoint"


class Thompson(Linear):
    scale: Strength = 1.0
    draws: int = Field(default=256, ge=16, le=10_000)


class UCB(Linear):
    alpha: Worth = Field(default=1.0, ge=0)
    temperature: Worth = Field(default=1.0, ge=0)


class LinearThompsonLearner(Thompson):
    kind: Literal["linear_thompson"]


class LinearUCBLearner(UCB):
    kind: Literal["linear_ucb"]


class Sampled(Strict):
    """`max_rows`: distinct rows that are fitted; beyond them, a sample of that size."""

    max_rows: int = Field(default=100_000, ge=2, le=MOST_ROWS)


class LogisticThompsonLearner(Thompson, Sampled):
    kind: Literal["logistic_thompson"]


class LogisticUCBLearner(UCB, Sampled):
    kind: Literal["logistic_ucb"]


class EpsilonGreedyLearner(Contextual, Sampled):
    """`parameters`: what the estimator's constructor takes."""

    kind: Literal["epsilon_greedy"]
    estimator: Literal[
        "ridge",
        "logistic_regression",
        "hist_gradient_boosting_regressor",
        "hist_gradient_boosting_classifier",
        "random_forest_regressor",
        "random_forest_classifier",
        "extra_trees_regressor",
        "extra_trees_classifier",
        "mlp_regressor",
        "mlp_classifier",
    ] = "hist_gradient_boosting_regressor"
    parameters: Parameters = Field(default={})
    epsilon: Epsilon = 0.1


class Regressor(Strict):
    """What fits a Q. `parameters`: what the estimator's constructor takes."""

    estimator: Literal[
        "ridge",
        "hist_gradient_boosting_regressor",
        "random_forest_regressor",
        "extra_trees_regressor",
        "mlp_regressor",
    ] = "hist_gradient_boosting_regressor"
    parameters: Parameters = Field(default={})


class FittedQLearner(Regressor):
    """`iterations`: at most so many, fewer once action values change by less than `tolerance`. `ensemble`:
    the mean of so many models. `double`: against overestimation. `choose`: how arms are drawn from their
    values."""

    kind: Literal["fitted_q"]
    iterations: int = Field(default=50, ge=1, le=10_000)
    tolerance: float = Field(default=1e-3, ge=0, lt=1)
    ensemble: int = Field(default=1, ge=1, le=100)
    double: bool = False
    choose: Literal["greedy", "epsilon_greedy", "softmax"] = "greedy"
    epsilon: Epsilon = 0.1
    temperature: Strength = 1.0

    @model_validator(mode="after")
    def _is_consistent(self) -> FittedQLearner:
        if isinstance(self.epsilon, EpsilonRange) and self.choose != "epsilon_greedy":
            raise ValueError(f"epsilon: a night chooses it where choose is epsilon_greedy, not {self.choose}")
        return self


LearnerSpec = Annotated[
    UniformLearner
    | RuleLearner
    | PopularityLearner
    | LinearThompsonLearner
    | LinearUCBLearner
    | LogisticThompsonLearner
    | LogisticUCBLearner
    | EpsilonGreedyLearner
    | FittedQLearner,
    Field(discriminator="kind"),
]

LEARN_NOTHING = ("uniform", "rule")
"""The kinds that logs don't change."""

_OF_SUCCESSES = ("logistic_regression", "classifier")


def require_learners_of_losses(dearest: float, learners: Mapping[str, LearnerSpec]) -> None:
    """Raise ValueError where an arm costs something and a learner takes rewards for shares of a success:
    an impression that earns nothing is worth less than nothing then."""
    unfit = [
        name
        for name, learner in learners.items()
        if isinstance(learner, LogisticThompsonLearner | LogisticUCBLearner)
        or (isinstance(learner, EpsilonGreedyLearner) and learner.estimator.endswith(_OF_SUCCESSES))
    ]
    if dearest and unfit:
        raise ValueError(
            f"rewards.costs: {unfit} are for rewards that are not negative, and one that earns nothing is"
            " worth less what its arm costs; take linear learners, or a regressor"
        )


def ignored_by(learner: LearnerSpec) -> tuple[str, ...]:
    """The columns of contexts that a learner does not look at."""
    return learner.ignores if isinstance(learner, Contextual) else ()


def require_known(learners: Mapping[str, LearnerSpec], context: Collection[str]) -> None:
    """Raise ValueError where a learner ignores what is no column of contexts."""
    for name, learner in learners.items():
        for ignored in ignored_by(learner):
            if ignored not in context:
                raise ValueError(
                    f"learners.{name}.ignores: {ignored!r} is not one of logs.context or features (there:"
                    f" {list(context)})"
                )


def blind_to_more(learners: Mapping[str, LearnerSpec]) -> list[tuple[str, str, tuple[str, ...]]]:
    """The pairs of learners that are alike, but that the second ignores more; and what it ignores besides."""
    pairs = []
    for (name, one), (other, another) in permutations(learners.items(), 2):
        ignored = [each for each in ignored_by(another) if each not in ignored_by(one)]
        of_both = (learner.model_dump(exclude={"ignores"}) for learner in (one, another))
        if ignored and {*ignored_by(one)} < {*ignored_by(another)} and len({*map(repr, of_both)}) == 1:
            pairs.append((name, other, tuple(ignored)))
    return pairs
