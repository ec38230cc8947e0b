"""Decisions that are asked for one by one, as users act, beside those of the night."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator

from nightslate.programs.detectors import Detectors
from nightslate.programs.features import FeatureSpecs
from nightslate.programs.strict import Duration, Strict


def _within_a_day(value: timedelta) -> timedelta:
    if value >= timedelta(days=1):
        raise ValueError("less than a day: until then the day's night can't run, and nothing newer is served")
    return value


class Serving(Strict):
    """`late`: how long after the end of a (UTC) day its activity may still be posted. Then the app closes the
    day, and its night may run."""

    late: Annotated[Duration, AfterValidator(_within_a_day)] = timedelta(minutes=10)


def require_servable(serving: Serving | None, features: FeatureSpecs, detectors: Detectors) -> None:
    """Raise ValueError, naming the key, for what is known at the end of a day, but at no moment within it."""
    if serving is None:
        return
    by_arm = sorted(name for name, spec in features.items() if spec.by)
    if by_arm:
        raise ValueError(
            f"serving: features with a key of arms ({', '.join(by_arm)}) are not computed at the moment of a"
            " request; leave out their `key`, or `serving`"
        )
    if detectors:
        raise ValueError(
            f"serving: detectors ({', '.join(sorted(detectors))}) say risks of the end of a day, and the app"
            " knows none at the moment of a request; leave out either"
        )
