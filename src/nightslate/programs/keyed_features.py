"""Features of a user and an arm together: how often one has seen this message, or clicked on this topic."""

from __future__ import annotations

from pydantic import Field, model_validator

from nightslate.programs.features import FeatureSpecs, aggregates
from nightslate.programs.logs import Boundaries, Consent, require_ascending
from nightslate.programs.strict import Name, Strict


class KeyedFeature(Strict):
    """A number for each value of a column of arms, `arm_id` or a category. `default`: where none is said.
    `boundaries`, `consent`: see `Feature`; as JSON one without them says nothing of them."""

    name: Name
    by: Name
    default: float
    boundaries: Boundaries = Field(default=(), exclude_if=lambda boundaries: not boundaries)
    consent: Consent | None = Field(default=None, exclude_if=lambda consent: consent is None)

    @model_validator(mode="after")
    def _has_intervals(self) -> KeyedFeature:
        require_ascending(self.boundaries)
        return self


def keyed_of(specs: FeatureSpecs) -> tuple[KeyedFeature, ...]:
    """Those of users and arms together, as what policies see beside each arm."""
    return tuple(
        KeyedFeature(
            name=each.name,
            by=each.spec.by,
            default=each.default,
            boundaries=each.spec.boundaries,
            consent=each.spec.consent,
        )
        for each in aggregates(specs)
        if each.spec.by is not None and isinstance(each.default, float)
    )
