"""One issue a user: how it is drawn among those that concern one."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from nightslate.programs.issue import Issue
from nightslate.programs.strict import Share, Strict, Text


class IssueChoice(Strict):
    """`floor`: the share of the probability that is spread evenly over the issues. `baseline`: the arm that
    stands for doing nothing, above which gains are counted; None: above nothing."""

    floor: Share = Field(default=0.1, gt=0)
    baseline: Text | None = None


def require_one_experiment(issues: Mapping[str, Issue]) -> None:
    """Raise ValueError where issues that users are drawn to have experiments of their own that are read out:
    the draw goes by the gains of a user's variant, so that whom an issue gets is what the variants did."""
    first, *others = issues.values()
    if not any(issue.experiment.metrics for issue in issues.values()):
        return
    for key in ("experiment", "variants"):
        if any(getattr(other, key) != getattr(first, key) for other in others):
            raise ValueError(
                f"{key}: with issue_choice, which issue a user gets depends on the variant, so that metrics"
                " are of all issues together; say it once, beside `issues`"
            )
    if any(other.rewards.costs != first.rewards.costs for other in others):
        raise ValueError(
            "rewards.costs: metrics are of all issues together, with issue_choice; say costs once, beside"
            " `issues`"
        )


def require_several(choice: IssueChoice, issues: Mapping[str, Issue]) -> None:
    """Raise ValueError unless there are issues to choose from, each of which can offer the baseline."""
    if len(issues) < 2:
        raise ValueError(
            f"issue_choice: there is one issue, {next(iter(issues))!r}, and nothing to choose from; say"
            " `issues`, or leave it out"
        )
    for name, issue in issues.items():
        ids = issue.arms.ids
        if choice.baseline is not None and ids and choice.baseline not in ids:
            raise ValueError(
                f"issue_choice.baseline: {choice.baseline!r} is not one of issues.{name}.arms.ids"
                f" {list(ids)}: each issue has to be able to offer it"
            )
