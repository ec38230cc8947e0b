"""How the shares of an experiment follow the context while it runs: what a program says of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nightslate.programs.conditions import Condition, parse
from nightslate.programs.learners import Regressor, Sampled
from nightslate.programs.logs import Feature
from nightslate.programs.strict import MOST_DAYS, MOST_ROWS, Name, Share, Strength, Strict, Text, Worth


class LinearEffects(Strict):
    """Effects that are linear in what is known of a user; `ridge`: how many users it takes to believe one."""

    kind: Literal["linear"]
    ridge: Strength = 100.0


class EstimatedEffects(Regressor, Sampled):
    """Effects by an estimator of scikit-learn."""

    kind: Literal["estimator"]


EffectModel = Annotated[LinearEffects | EstimatedEffects, Field(discriminator="kind")]


class Score(Strict):
    """What a treatment does to a user: the effect on the metric `benefit`, less `weight` times that on the
    metric `harm`, less `caution` times the standard error of both. `models`: those that predict it, by name;
    the one whose scores earn more takes over once that holds at every look. `ignores`: columns of contexts,
    and features, that they do not look at."""

    benefit: Name
    harm: Name | None = None
    ignores: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    weight: Worth = Field(default=1.0, ge=0)
    caution: Worth = Field(default=0.0, ge=0)
    models: dict[Name, EffectModel] = Field(min_length=1, max_length=20)
    first: Name | None = None

    @model_validator(mode="after")
    def _begins_with_a_model(self) -> Score:
        if self.first is not None and self.first not in self.models:
            raise ValueError(f"first: {self.first!r} is none of the models (there: {list(self.models)})")
        if self.harm == self.benefit:
            raise ValueError(f"harm: {self.harm} is the benefit as well; name another metric, or none")
        return self

    @property
    def metrics(self) -> tuple[Name, ...]:
        """Those that it is made of."""
        return (self.benefit, *([self.harm] if self.harm else []))

    @property
    def first_model(self) -> Name:
        """The one that is gone by until another takes over."""
        return self.first or next(iter(self.models))


class Ruled(Strict):
    """Users of whom `when` holds are in the `variant`, but for what the floor leaves to others."""

    when: Text
    variant: Name


class Signalled(Strict):
    """What a signal of this `name`, or of any, does to users of its region while it lasts, from a severity of
    `least` on: `stop` takes all treatments from them, `hold` lets no share of theirs change, `reduce`
    multiplies those of treatments by `factor`. `resume_after`: days after its end until that ends, too."""

    name: Name | None = None
    least: Worth = Field(default=0.0, ge=0)
    do: Literal["reduce", "hold", "stop"]
    factor: float = Field(default=0.5, gt=0, lt=1)
    resume_after: int = Field(default=0, ge=0, le=365)


class RampStep(Strict):
    """`share`: of all treatments together, until so many `days` have gone by, so many `users` were assigned
    to a treatment and the `guardrails` of these metrics are known to hold."""

    share: Share = Field(gt=0)
    days: int = Field(default=0, ge=0, le=MOST_DAYS)
    users: int = Field(default=0, ge=0, le=MOST_ROWS)
    guardrails: Annotated[tuple[Name, ...], Field(strict=False)] = ()


class Ramp(Strict):
    """Shares that grow step by step. `at_breach`: whether a guardrail that is broken holds the step, takes
    the one before it, or takes the treatments from everyone; `resume_after`: so many looks in a row at which
    guardrails hold again, until it goes on; None: never by itself."""

    steps: Annotated[tuple[RampStep, ...], Field(strict=False, min_length=1, max_length=50)]
    at_breach: Literal["hold", "step_back", "to_zero"] = "hold"
    resume_after: int | None = Field(default=None, ge=1, le=365)

    @model_validator(mode="after")
    def _grows(self) -> Ramp:
        shares = [step.share for step in self.steps]
        if any(later <= earlier for earlier, later in pairwise(shares)):
            raise ValueError(f"steps: shares grow from step to step, and these don't: {shares}")
        return self


Part = Annotated[tuple[Share, Share], Field(strict=False)]


class Layer(Strict):
    """Experiments of which no user is in two: by their salts from where to before where in [0, 1] each has
    the users of the layer, who are dealt by its own `salt`. All of them say the same."""

    salt: Text
    parts: dict[Text, Part] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _overlaps_nowhere(self) -> Layer:
        ordered = sorted(self.parts.items(), key=lambda part: part[1])
        for name, (lower, upper) in ordered:
            if lower >= upper:
                raise ValueError(f"parts: {name} has [{lower}, {upper}], which is nobody")
        for (one, (_, end)), (other, (begin, _)) in pairwise(ordered):
            if begin < end:
                raise ValueError(f"parts: those of {one} and {other} overlap from {begin} to {end}")
        return self


class Allocation(Strict):
    """The shares of the variants are those of everyone; a user of whom a treatment's score is over the
    `risk_tolerance` has a share of it that is larger by `scale` times what the score is over it, at most by
    `range`, and one whose score is under it a smaller one. No share of a treatment that runs is under the
    `floor`, nor changes by more than `range` in a night; and where it is off by no more than `least_move` it
    stays. `sticky`: whether who is in a variant stays as long as shares allow, or is drawn anew each day.
    `layer`: other experiments whose users it has none of; None: it is independent of all others."""

    score: Score
    range: float = Field(gt=0, le=1)
    risk_tolerance: Worth = 0.0
    scale: Strength = 1.0
    floor: float = Field(default=0.02, gt=0, lt=0.5)
    least_move: Share = 0.05
    sticky: bool = True
    rules: Annotated[tuple[Ruled, ...], Field(strict=False, max_length=100)] = ()
    signals: Annotated[tuple[Signalled, ...], Field(strict=False, max_length=100)] = ()
    ramp: Ramp | None = None
    layer: Layer | None = None

    def ruled(self, context: Sequence[Feature]) -> list[tuple[Condition, Name]]:
        """The rules with their conditions on these columns. Raises ValueError for one that is none."""
        types = {column.name: column.type for column in context}
        return [(parse(rule.when, types), rule.variant) for rule in self.rules]
