"""What outcomes are worth, for how long they count, and which impressions they are credited to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nightslate.programs.logs import Logs
from nightslate.programs.strict import MOST_ROWS, MOST_WORTH, Duration, Name, Strict, Text, Worth

Cost = Annotated[float, Field(ge=0, le=MOST_WORTH)]
RuleName = Literal["last_touch", "first_touch", "linear", "time_decay", "position", "shapley"]
Match = Literal["closest", "impression", "user_arm", "user_topic", "user"]

SURVIVAL = "survival"
"""The kind of outcome that staying is."""

MAX_TOUCHES, SKEW = 100, "5m"
"""What programs and `nightslate attribute` go by unless they are told."""


class Attribution(Strict):
    """Which impressions share an outcome (`match`, by kind `matches`), and how (`rule`).

    `topic`: the arm feature that the match `user_topic` goes by. `max_touches`: so many of the latest
    impressions share an outcome."""

    rule: RuleName = "last_touch"
    half_life: Duration | None = None
    match: Match = "closest"
    matches: dict[Name, Match] = Field(default={})
    topic: Name | None = None
    max_touches: int = Field(default=MAX_TOUCHES, ge=1, le=10_000)

    @model_validator(mode="after")
    def _is_consistent(self) -> Attribution:
        if (self.rule == "time_decay") != (self.half_life is not None):
            raise ValueError("half_life: the rule time_decay needs one, and no other rule knows it")
        if self.by_topic != (self.topic is not None):
            raise ValueError("topic: the match user_topic needs an arm feature, and no other match knows it")
        return self

    @property
    def by_topic(self) -> bool:
        """Whether any kind of outcome is matched by topic."""
        return "user_topic" in (self.match, *self.matches.values())


class Survival(Strict):
    """Staying as a reward: the absence of an event. Horizons follow one another from the program's start on,
    each as long as the window of the kind `unless`. At the end of one, every user who was shown anything in
    it has one outcome, shared by the rule among all that the user was shown: `value` if there was no outcome
    of the kind `unless`, else what that kind is worth."""

    unless: Name
    value: Worth = 1.0


class Rewards(Strict):
    """What an outcome is worth, by kind, and how long after an impression it still counts.

    `name` is what one unit is called in reports; a `rate` is a probability, shown in percent. `windows`: of
    kinds with a window of their own. `costs`: what showing an arm costs, by its id. `decay`: the half-life of
    an outcome's worth to an impression. `cap`: the most that a user can earn in a day; `max_outcomes`:
    outcomes of a user in a day beyond so many are not attributed. `skew`: how much earlier than the
    impression that it names an outcome may seem. `maturity`: whether young impressions are left out or
    weighted; `min_seen`: those that have had less than this share of their time are left out in any case."""

    name: Text = "reward per impression"
    rate: bool = False
    values: dict[Name, Worth] = Field(min_length=1, max_length=1000)
    costs: dict[Text, Cost] = Field(default={}, max_length=10_000)
    window: Duration
    windows: dict[Name, Duration] = Field(default={})
    decay: Duration | None = None
    cap: Worth | None = Field(default=None, gt=0)
    max_outcomes: int = Field(default=1000, ge=1, le=MOST_ROWS)
    skew: Duration = Field(default=SKEW, validate_default=True)
    maturity: Literal["exclude", "ipcw"] = "exclude"
    min_seen: float = Field(default=0.2, gt=0, le=1)
    attribution: Attribution = Attribution()
    survival: Survival | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Rewards:
        for key, by_kind in (("windows", self.windows), ("attribution.matches", self.attribution.matches)):
            unknown = sorted(set(by_kind) - set(self.values))
            if unknown:
                raise ValueError(f"{key}: {unknown} are no kinds of values, which has {sorted(self.values)}")
        if self.survival:
            self._require_survival(self.survival)
        if self.rate and self.dearest:
            raise ValueError("costs: a probability less a cost is no probability; leave out rate")
        return self

    def _require_survival(self, survival: Survival) -> None:
        if SURVIVAL in self.values:
            raise ValueError(f"values: {SURVIVAL!r} is what staying is called; choose another name")
        if self.window_of(survival.unless) % timedelta(days=1):
            raise ValueError("survival: its horizon, the window of its kind `unless`, is of whole days")
        if self.maturity == "ipcw":
            raise ValueError(
                "survival: all of a horizon becomes known at its end, so young impressions say nothing of it;"
                " use maturity: exclude"
            )

    @property
    def longest_window(self) -> timedelta:
        """Once it is over, no outcome of any kind can change the reward of an impression."""
        kinds = [*self.values, *([self.survival.unless] if self.survival else [])]
        return max((self.window_of(kind) for kind in kinds), default=self.window)

    @property
    def short(self) -> Rewards | None:
        """Of rewards of staying, the outcomes alone that are known before its horizon is over, before costs;
        None where there are none, or staying earns nothing."""
        if self.survival is None:
            return None
        horizon = self.window_of(self.survival.unless)
        values = {
            kind: worth
            for kind, worth in self.values.items()
            if worth and kind != self.survival.unless and self.window_of(kind) < horizon
        }
        windows = {kind: self.window_of(kind) for kind in values}
        window = max(windows.values(), default=horizon)
        without = {"survival": None, "costs": {}, "values": values, "windows": windows, "window": window}
        return self.model_copy(update=without) if values else None

    def horizon_ending(self, start: date, ds: date) -> date | None:
        """The first day of the horizon of staying that ends with `ds`, of a program that starts on `start`;
        None where none ends then."""
        if self.survival is None:
            return None
        days = self.window_of(self.survival.unless).days
        over = (ds - start).days + 1
        return ds - timedelta(days=days - 1) if over > 0 and over % days == 0 else None

    @property
    def dearest(self) -> float:
        """What the arm that costs most costs."""
        return max(self.costs.values(), default=0.0)

    def less_costs(self, earned: tuple[float, float], arms: Iterable[str]) -> tuple[float, float]:
        """The least and the most that an impression of one of these arms is worth, if what it earns lies
        between the two."""
        costs = [self.costs.get(arm, 0.0) for arm in arms]
        return earned[0] - max(costs, default=0.0), earned[1] - min(costs, default=0.0)

    def window_of(self, kind: str) -> timedelta:
        """How long after an impression an outcome of this kind counts."""
        return self.windows.get(kind, self.window)


def require_matured(rewards: Rewards, windows_days: Mapping[str, int]) -> None:
    """Raise ValueError, naming the key of `windows_days`, unless some of the days that a night reads are
    older than the longest window."""
    longest = rewards.longest_window
    for key, days in windows_days.items():
        if timedelta(days=days) <= longest:
            raise ValueError(
                f"{key}: none of the impressions of {days} days has had its window of"
                f" {longest // timedelta(hours=1)} hours; read more days, or shorten the window"
            )


def require_topic(rewards: Rewards, logs: Logs) -> None:
    """Raise ValueError unless the topic that outcomes are matched by is a category of the arms."""
    topic = rewards.attribution.topic
    categories = [feature.name for feature in logs.arm_features if feature.type == "category"]
    if topic is not None and topic not in categories:
        raise ValueError(
            f"rewards.attribution.topic: {topic!r} is not a category of logs.arm_features"
            f" (there: {categories})"
        )
