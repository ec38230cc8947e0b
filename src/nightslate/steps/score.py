"""Tonight's arms ranked for every user of the day, and staged; nothing that a reader sees changes yet."""

from __future__ import annotations

from nightslate.frames.scoring import ScoredBy, Scoring, score
from nightslate.programs.spec import Variant
from nightslate.steps.inputs import bucket_input
from nightslate.steps.night import ISSUE, Night
from nightslate.steps.promote import champion_as_of, digest_of
from nightslate.tables import spark as spark_tables


def run(night: Night) -> str:
    """The champion is that of the nights before, so a backfill scores with what was champion then."""
    champion = champion_as_of(night)
    scoring = Scoring(
        program=night.name,
        issue=ISSUE,
        slate_date=night.slate_date,
        depth=night.program.depth,
        floor=night.program.floor,
        variants={
            name: (variant.share, _scored_by(night, variant, champion))
            for name, variant in sorted(night.program.variants.items())
        },
    )
    context = (feature.name for feature in night.program.logs.context)
    users = bucket_input(night, "users", ("user_id", *context), night.ds)
    slates = score(night.spark, users, scoring, night.program.buckets)
    table = night.table("slates")
    attempt = table.begin(night.slate_date)
    spark_tables.write(slates, attempt, sort_by=("user_id", "issue"))
    staged = attempt.seal()
    return f"{staged.rows} slates of {night.slate_date} staged, champion {champion}"


def _scored_by(night: Night, variant: Variant, champion: str) -> ScoredBy:
    learner = champion if variant.policy == "champion" else variant.policy
    digest = digest_of(night, learner)
    model = night.registry.load(digest)
    return ScoredBy(learner, digest, model.arms, model.encoder, model.policy)
