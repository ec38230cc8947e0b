"""What is known of users when decisions are made, as columns of contexts."""

from __future__ import annotations

from collections.abc import Iterable

from nightslate.programs.features import Aggregate, FeatureSpec, FeatureSpecs, aggregates
from nightslate.programs.logs import Feature, Logs


def context_of(wanted: Iterable[Aggregate]) -> tuple[Feature, ...]:
    """Features of users, or of moments, as columns of contexts."""
    return tuple(
        Feature(
            name=each.name,
            type="category" if _is_category(each.spec) else "number",
            boundaries=each.spec.boundaries,
            consent=each.spec.consent,
        )
        for each in wanted
    )


def _is_category(spec: FeatureSpec) -> bool:
    return isinstance(spec.default, str) or spec.aggregation == "day_of_week"


def known_of_users(logs: Logs, specs: FeatureSpecs) -> tuple[Feature, ...]:
    """What is known of a user when a decision is made: columns that land, and features."""
    return (*logs.context, *context_of(each for each in aggregates(specs) if each.spec.by is None))
