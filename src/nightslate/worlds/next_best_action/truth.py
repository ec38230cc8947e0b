"""What a campaign is worth: exact expectations, by dynamic programming over what has been offered so far.

Of a customer's history only the offers and their order matter, and when they come does not depend on them. So
the value of a decision is the rate of purchases after it times the expected steps to the next offer, and the
value of what follows. Values are expected purchases of a customer from the first offer on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.special import ndtr

from nightslate.core.arrays import Floats
from nightslate.worlds.next_best_action.world import (
    ADVERTISEMENT,
    ARMS,
    AROUND,
    LARGE_DISCOUNT,
    NEVER,
    OFFERS,
    PURCHASES_HOOKED,
    RATE,
    SMALL_DISCOUNT,
    SPREAD,
    STEPS,
    Policy,
)

History = tuple[int, ...]
"""The offers so far, places in ARMS, in order."""

Rule = Callable[[History], Floats]
"""From a history to weights of the arms (3,)."""

SEGMENTS: dict[str, History] = {
    "nothing yet": (),
    "advertisement first": (ADVERTISEMENT,),
    "small_discount first": (SMALL_DISCOUNT,),
    "large_discount first": (LARGE_DISCOUNT,),
}
"""Who got which offer first, and the history in which that is all there is."""


def uniform(history: History) -> Floats:  # noqa: ARG001
    """The rule that offers anything."""
    return np.full(len(ARMS), 1 / len(ARMS))


@cache
def expected_times() -> tuple[float, ...]:
    """The expected steps of the offers in order, sorted, rounded and clipped as they are, and of the end."""
    at_most = ndtr((np.arange(STEPS - 1)[:, None] + 0.5 - np.array(AROUND)) / SPREAD)
    counts = np.ones((STEPS - 1, 1))
    for chance in at_most.T[:, :, None]:  # (steps, k): how likely k of the offers come no later than a step
        counts = np.pad(counts * (1 - chance), ((0, 0), (0, 1))) + np.pad(counts * chance, ((0, 0), (1, 0)))
    later = np.cumsum(counts, axis=1)[:, :-1].sum(axis=0)
    return (*map(float, later), float(STEPS))


def purchases_before() -> float:
    """Expected purchases of a customer before the first offer, which no policy changes."""
    return RATE * expected_times()[0]


@cache
def action_values(history: History) -> tuple[float, ...]:
    """Of each arm offered next, if the best follows; 0 after the last offer."""
    if len(history) == OFFERS:
        return (0.0,) * len(ARMS)
    follows = [(*history, arm) for arm in range(len(ARMS))]
    return tuple(_until_next(each) + max(action_values(each)) for each in follows)


def optimum() -> float:
    """The value of offering the best every time."""
    return max(action_values(()))


def best_offers() -> dict[str, tuple[str, ...]]:
    """By segment, the arms that nothing is better than."""
    best = {}
    for segment, history in SEGMENTS.items():
        values = np.array(action_values(history))
        best[segment] = tuple(ARMS[arm] for arm in np.flatnonzero(np.isclose(values, values.max())))
    return best


def value_of(rule: Rule, history: History = ()) -> float:
    """What a rule, whose weights sum to 1, is worth from a history on."""
    if len(history) == OFFERS:
        return 0.0
    follows = [(*history, arm) for arm in range(len(ARMS))]
    return float(rule(history) @ np.array([_until_next(each) + value_of(rule, each) for each in follows]))


def segment_of(history: History) -> History:
    """What a customer's state tells of a history: which arms were offered, in the order of their first
    offers."""
    return tuple(dict.fromkeys(history))


def playing(rule: Rule) -> Policy:
    """A rule of segments as the world plays it, by states. Of two arms offered first in the same step, the
    one that comes first in ARMS is taken to have come first."""

    def weights_of(states: Floats) -> Floats:
        firsts = states[:, -len(ARMS) :]
        order = np.where(np.sort(firsts, axis=1) < NEVER, np.argsort(firsts, axis=1, kind="stable"), -1)
        segments, place = np.unique(order, axis=0, return_inverse=True)
        rules = np.array([rule(tuple(segment[segment >= 0].tolist())) for segment in segments])
        return rules[place.ravel()]

    return weights_of


def _until_next(history: History) -> float:
    """Expected purchases from the last offer of a history to the next one, or to the end."""
    times, offered = expected_times(), len(history)
    return (PURCHASES_HOOKED if _hooked(history) else RATE) * (times[offered] - times[offered - 1])


def _hooked(history: History) -> bool:
    advertised = history.index(ADVERTISEMENT) if ADVERTISEMENT in history else len(history)
    return LARGE_DISCOUNT in history[advertised:]
