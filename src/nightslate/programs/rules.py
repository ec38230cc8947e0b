"""Rules that a program declares as learners: what their conditions are on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nightslate.programs.conditions import ColumnTypes, Condition, parse
from nightslate.programs.learners import LearnerSpec, RuleLearner
from nightslate.programs.logs import ArmFeature, Feature


def types_of_users(context: Iterable[Feature]) -> ColumnTypes:
    """What `when` may be on."""
    return {feature.name: feature.type for feature in context}


def types_of_arms(arm_features: Iterable[ArmFeature]) -> ColumnTypes:
    """What `arms` may be on."""
    return {"arm_id": "category", **{feature.name: feature.type for feature in arm_features}}


def arms_of_lines(rule: RuleLearner, arm_features: Iterable[ArmFeature]) -> tuple[Condition, ...]:
    """What holds for the arms of each line."""
    types = types_of_arms(arm_features)
    return tuple(parse(line.arms, types) for line in rule.choose)


def require_answerable_rules(
    learners: Mapping[str, LearnerSpec], context: Iterable[Feature], arm_features: Iterable[ArmFeature]
) -> None:
    """Raise ValueError, naming the learner, the line and the key, for a condition that can't be meant."""
    types = {"when": types_of_users(context), "arms": types_of_arms(arm_features)}
    for name, learner in learners.items():
        if isinstance(learner, RuleLearner):
            for place, line in enumerate(learner.choose):
                for key, text in (("when", line.when), ("arms", line.arms)):
                    _require_condition(f"learners.{name}.choose.{place}.{key}", text, types[key])


def _require_condition(key: str, text: str | None, types: ColumnTypes) -> None:
    try:
        _ = None if text is None else parse(text, types)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
