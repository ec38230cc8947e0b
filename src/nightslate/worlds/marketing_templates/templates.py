"""The templates of messages: by which channel each goes out, what it is about, and since when it is there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.hashing import seed

CHANNELS = ("email", "text", "push")
TYPES = ("upsell", "discount", "news")
TONES = ("friendly", "urgent", "plain")
LENGTHS = ("short", "long")
PRICES = ("low", "middle", "high")

NO_FEATURE = "none"
"""What each feature of the arm is that sends nothing."""

_OF_EACH_KIND = 4
_LAUNCHED: Mapping[str, int] = {
    "news_push_5": 8,
    "discount_email_5": 8,
    "upsell_text_5": 15,
    "upsell_email_5": 15,
}
"""Templates that are new on a later day, counted from 0; the others are there from the first one on."""

ARMS = (
    *(
        f"{kind}_{channel}_{number}"
        for channel in CHANNELS
        for kind in TYPES
        for number in range(1, _OF_EACH_KIND + 1)
    ),
    *_LAUNCHED,
    "nothing",
)
NOTHING = len(ARMS) - 1
_TEMPLATES = ARMS[:NOTHING]


def _place_of(feature: str, values: tuple[str, ...]) -> Ints:
    """(arms,): of each arm a place in values, or the one after the last where it sends nothing."""
    drawn = [seed(template, feature) % len(values) for template in _TEMPLATES]
    return np.array([*drawn, len(values)])


def _named(part: int, values: tuple[str, ...]) -> Ints:
    """(arms,): the same of what the arm's name says."""
    return np.array([*(values.index(template.split("_")[part]) for template in _TEMPLATES), len(values)])


FEATURES: Mapping[str, tuple[tuple[str, ...], Ints]] = {
    "channel": (CHANNELS, _named(1, CHANNELS)),
    "type": (TYPES, _named(0, TYPES)),
    "tone": (TONES, _place_of("tone", TONES)),
    "length": (LENGTHS, _place_of("length", LENGTHS)),
    "price": (PRICES, _place_of("price", PRICES)),
}
"""By name, the values of a feature, and (arms,) the place of each arm's among them."""

_MARGIN, _WITH_DISCOUNT = np.array([0.7, 1.0, 1.4, 0.0]), np.array([1.0, 0.8, 1.0, 1.0])
ORDER_VALUES: Floats = _MARGIN[FEATURES["price"][1]] * _WITH_DISCOUNT[FEATURES["type"][1]]
"""(arms,): what an order that follows is worth, by the price point of what is offered, less its discount."""

LAUNCHED_ON: Ints = np.array([_LAUNCHED.get(arm, 0) for arm in ARMS])
"""(arms,): the day on which an arm is first in the log `arms`."""


def offered(day: int) -> Bools:
    """(arms,): which arms can be sent on a day: those of the log of the day before."""
    return np.asarray(max(day, 1) > LAUNCHED_ON)


def described(day: int) -> list[dict[str, object]]:
    """The rows of the landing log `arms` of a day."""
    return [
        {
            "arm_id": arm,
            **{name: (*values, NO_FEATURE)[at[place]] for name, (values, at) in FEATURES.items()},
        }
        for place, arm in enumerate(ARMS)
        if LAUNCHED_ON[place] <= day
    ]
