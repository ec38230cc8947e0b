"""What is asked of a file of an experiment, from the texts of a command line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from nightslate.core.errors import InvalidInputError

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Ratio:
    """A sum of one column over that of another; without a denominator the mean of a column."""

    numerator: str
    denominator: str | None = None

    @classmethod
    def of(cls, text: str, option: str) -> Self:
        """Of COLUMN or NUMERATOR/DENOMINATOR."""
        numerator, slash, denominator = (part.strip() for part in text.partition("/"))
        if not numerator or (slash and (not denominator or "/" in denominator)):
            raise InvalidInputError(
                f"{option} is COLUMN, or NUMERATOR/DENOMINATOR such as clicks/impressions; got {text!r}"
            )
        return cls(numerator, denominator or None)

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that it is made of."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


@dataclass(frozen=True)
class Metric:
    """name: as it was asked for; covariates: what was known of users before."""

    name: str
    value: Ratio
    covariates: tuple[Ratio, ...]

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """The metric's own, then those of the covariates."""
        return (self.value, *self.covariates)


@dataclass(frozen=True)
class ReadoutOptions:
    """Which columns say what, and how to read them. shares: how many users each variant was to get, if that
    is known; probability: the column of that with which a user was assigned to the variant that they are
    in."""

    control: str
    metrics: tuple[Metric, ...]
    variant: str
    user: str
    probability: str | None
    shares: Mapping[str, float] | None
    date: str | None
    segment: str | None
    confidence: float

    @classmethod
    def of(
        cls,
        *,
        control: str,
        metrics: Sequence[str],
        covariates: Sequence[str] = (),
        variant: str = "variant",
        user: str = "user_id",
        probability: str | None = None,
        shares: str | None = None,
        date: str | None = None,
        segment: str | None = None,
        confidence: float = 0.95,
    ) -> Self:
        """Raises InvalidInputError for what is no name, no number, or does not go together."""
        if not metrics:
            raise InvalidInputError("name what is to be compared: --metric COLUMN")
        if not 0 < confidence < 1:
            raise InvalidInputError(f"--confidence is between 0 and 1, such as 0.95; got {confidence}")
        twice = [name for place, name in enumerate(metrics) if name in metrics[:place]]
        if twice:
            raise InvalidInputError(f"--metric {twice[0]} is given twice")
        by_metric = _by_metric(covariates, metrics)
        found = cls(
            control=control,
            metrics=tuple(
                Metric(name, Ratio.of(name, "--metric"), by_metric.get(name, ())) for name in metrics
            ),
            variant=variant,
            user=user,
            probability=probability,
            shares=None if shares is None else _shares(shares, control),
            date=date,
            segment=segment,
            confidence=confidence,
        )
        found._require_different_columns()
        return found

    @property
    def ids(self) -> tuple[str, ...]:
        """Columns that say who and which."""
        return tuple(filter(None, (self.user, self.variant, self.segment)))

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns of which sums are made, each once."""
        ratios = (ratio for metric in self.metrics for ratio in metric.ratios)
        return tuple(dict.fromkeys(column for ratio in ratios for column in ratio.columns))

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are read."""
        return (*self.ids, *self.numbers, *filter(None, (self.probability, self.date)))

    def _require_different_columns(self) -> None:
        """What a metric is compared by can't be what it is."""
        for option, name in (
            ("--user", self.user),
            ("--variant", self.variant),
            ("--probability", self.probability),
        ):
            if name in self.numbers:
                raise InvalidInputError(f"{name} is {option}, and can't be a metric or a covariate too")


def _by_metric(texts: Sequence[str], metrics: Sequence[str]) -> dict[str, tuple[Ratio, ...]]:
    found: dict[str, tuple[Ratio, ...]] = {}
    for text in texts:
        metric, equals, covariate = text.partition("=")
        metric = metric.strip()
        if not equals or metric not in metrics:
            raise InvalidInputError(
                f"--covariate is METRIC=COLUMN, such as {metrics[0]}=before, of a metric that is asked for"
                f" ({', '.join(metrics)}); got {text!r}"
            )
        found[metric] = (*found.get(metric, ()), Ratio.of(covariate, "--covariate METRIC=COLUMN"))
    return found


def _shares(text: str, control: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = math.nan
        if not name.strip() or name.strip() in shares or not 0 < share <= 1:
            raise InvalidInputError(
                f"--shares is VARIANT=SHARE with commas between, such as {control}=0.5,treatment=0.5; got"
                f" {text!r}"
            )
        shares[name.strip()] = share
    total = sum(shares.values())
    if abs(total - 1) > _ROUNDING:
        raise InvalidInputError(f"--shares sum to {total:.6g}, not to 1: name each variant with its share")
    if control not in shares:
        raise InvalidInputError(f"--shares names {', '.join(shares)}, not the control {control!r}")
    return {name: share / total for name, share in shares.items()}
