"""What the models of a night are released with, so that they can be served as the night scores by them."""

from __future__ import annotations

import pyarrow as pa

from nightslate.models.files import ModelFile
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.slate_goals import adjustment
from nightslate.serving.release import Release


def release_of(night: IssueNight, offered: pa.Table, model: ModelFile) -> Release:
    """That of one of the night's models, for slates among the arms on offer. Raises ContractError as
    `adjustment` does."""
    issue, added = night.issue, adjustment(night, offered)
    shown_by = [name for name, variant in issue.variants.items() if variant.policy == "champion"]
    shown_by += [name for name, variant in issue.variants.items() if variant.policy == model.learner]
    return Release(
        program=night.name,
        issue=issue.name,
        by_issue=len(night.program.issues) > 1,
        learner=model.learner,
        model_digest=model.digest,
        context=night.program.context,
        keyed=night.program.keyed,
        eligible=issue.eligible,
        concerns=None if issue.concerned_by_risks else issue.concerns,  # risks are the night's to say
        depth=issue.depth,
        floor=issue.floor,
        variants={name: name in issue.adjusted for name in shown_by},
        multipliers=dict(added.multipliers),
        penalty=added.penalty,
        groups=dict(added.groups),
        goals=(*(goal.name for goal in issue.exposure), *(budget.name for budget in issue.budgets)),
        choice=night.program.issue_choice,
        risks=issue.concerned_by_risks,
    )
