"""Which issue each user of the day gets, of programs that draw one where several concern a user."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Input, Tables, Work
from nightslate.errors import SpecError
from nightslate.kernels.issue_choices import IssueDraw, IssuePolicies
from nightslate.pipeline.champion_reigns import champion_as_of
from nightslate.pipeline.experiments import assignment_tonight
from nightslate.pipeline.night import Night
from nightslate.pipeline.served_users import UserTables, served_users
from nightslate.pipeline.variant_models import variant_models
from nightslate.tables import Table


def run(
    night: Night,
    users: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    withheld: Table,
    models: Table,
    promotions: Table,
    allocations: Table,
    issue_choices: Table,
) -> str:
    """By the models that `score` ranks arms with, so a backfill draws by what was champion then."""
    rules = night.program.issue_choice
    if rules is None:
        raise SpecError(f"{night.name} has no issue_choice: each issue has slates for all that it concerns")
    context = night.program.columns_of_contexts
    inputs: dict[str, Input] = {}
    known_of = UserTables(users, features, features_of_arms, risks)
    served, policies = {}, {}
    for each in night.issues:
        name = each.issue.name
        of_issue, served[name] = served_users(each, known_of, withheld, context)
        inputs |= of_issue  # of the same columns for each issue: all that any of them looks at
        champion = champion_as_of(each, promotions.of_issue(name))
        policies[name] = IssuePolicies(
            assignment_tonight(each, allocations.of_issue(name)),
            variant_models(each, models.of_issue(name), champion),
            each.issue.floor,
        )
    draw = IssueDraw(night.name, night.slate_date, rules.floor, rules.baseline, policies)
    attempts = {name: issue_choices.of_issue(name).begin(night.slate_date) for name in policies}

    def chosen(tables: Tables) -> dict[str, pa.Table]:
        choices = draw.choices({name: of(tables) for name, of in served.items()})
        return {name: choices.filter(pc.equal(choices["issue"], name)) for name in attempts}

    staged = night.engine.write(chosen, Work(inputs, night.program.buckets), attempts)
    issue_choices.publish_together(list(staged.values()), night.commit_metadata)
    counts = ", ".join(f"{name} {each.rows}" for name, each in staged.items())
    total = sum(each.rows for each in staged.values())
    return f"{total} users of {night.slate_date} get one issue each: {counts}"
