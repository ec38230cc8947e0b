"""The models that tonight's slates of an issue are scored by."""

from __future__ import annotations

from nightslate.kernels.scoring import ScoredBy
from nightslate.models.files import scored_by
from nightslate.pipeline.champion_reigns import digest_of
from nightslate.pipeline.night import IssueNight
from nightslate.tables import Table


def variant_models(night: IssueNight, models: Table, champion: str) -> dict[str, ScoredBy]:
    """By variant with slates the model of its learner as fitted tonight. champion: that of the nights before,
    see `champion_as_of`. Raises ContractError if the night was not trained."""
    return {
        name: scored_by(night.registry.load(digest_of(night, models, learner)))
        for name, learner in variant_learners(night, champion).items()
    }


def variant_learners(night: IssueNight, champion: str) -> dict[str, str]:
    """By variant with slates the learner whose model makes them."""
    return {name: variant.learner(champion) for name, variant in sorted(night.issue.scored.items())}
