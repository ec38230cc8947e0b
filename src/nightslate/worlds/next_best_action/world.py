"""Customers over 100 steps, the three offers that each of them gets, and what they buy.

Every draw is a hash of the seed, of the customer and of what it is for, so a customer meets the same luck
under every policy: two policies differ by what they offer and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nightslate.core.arrays import Bools, Floats, Ints, Keys, row_chunks
from nightslate.core.fitted_q import Transitions
from nightslate.core.hashing import mix, seed, uniform

ARMS = ("advertisement", "small_discount", "large_discount")
ADVERTISEMENT, SMALL_DISCOUNT, LARGE_DISCOUNT = range(len(ARMS))
FEATURES = ("demographic", "visits", "first_advertisement", "first_small_discount", "first_large_discount")

STEPS = 100
NEVER = STEPS
"""The step of an offer that has not come yet."""

OFFERS = 3
AROUND, SPREAD = (25.0, 50.0, 75.0), 5.0
"""Means and standard deviation of the normal distributions that the offers' steps are drawn from."""

EVENTS = ("none", "visit", "purchase")
VISITS = 0.08
PURCHASES, PURCHASES_HOOKED = 0.02, 0.22
"""The probabilities of a visit and of a purchase in a step; the latter before and after a customer is hooked,
which happens when a large discount comes to whom an advertisement has come before."""

LUCK = 0.1
"""The share of steps at random in which everybody buys as if hooked."""

RATE = (1 - LUCK) * PURCHASES + LUCK * PURCHASES_HOOKED
"""Purchases in a step of a customer who is not hooked."""

Counts = NDArray[np.int8]
"""Of what happens once in a step at most."""

Policy = Callable[[Floats], Floats]
"""From states (n, 5), in the order of FEATURES, to weights of the arms (n, 3)."""


def UNIFORM(states: Floats) -> Floats:  # noqa: N802 -- a policy that never changes
    """Any offer to anybody."""
    return np.full((len(states), len(ARMS)), 1 / len(ARMS))


@dataclass(frozen=True)
class World:
    """So many customers, and all that does not depend on what they are offered."""

    customers: int
    seed: int

    @cached_property
    def demographic(self) -> Ints:
        """(n,): one bit."""
        return (self._keys("demographic") % np.uint64(2)).astype(np.int64)

    @cached_property
    def times(self) -> Ints:
        """(n, 3): the steps of the offers in order; some may be the same."""
        around = np.array(AROUND)
        drawn = [ndtri(uniform(self._keys("offer", number))) for number in range(OFFERS)]
        steps = np.rint(around + SPREAD * np.stack(drawn, axis=1))
        return np.sort(np.clip(steps, 0, STEPS - 1).astype(np.int64), axis=1)

    @cached_property
    def visits(self) -> Bools:
        """(n, steps): where a customer visits, which no offer changes."""
        return self._events[0]

    def purchases(self, hooked: Ints) -> Bools:
        """(n, steps): where a customer buys who is hooked from the step `hooked` (n,) on."""
        _, before, after = self._events
        return np.where(np.arange(STEPS) < hooked[:, None], before, after)

    def choose(self, weights: Floats, who: Ints, number: int) -> Ints:
        """(m,): the arms drawn from weights (m, 3), of sum 1, for an offer to these customers, whose number
        counts from 1."""
        drawn = uniform(self._keys("choice", number)[who])
        passed = (np.cumsum(weights, axis=1) <= drawn[:, None]).sum(axis=1)
        return np.asarray(np.minimum(passed, len(ARMS) - 1))

    def play(self, weights_of: Policy) -> Histories:
        """The campaign from its beginning to its end under a policy; its weights need not sum to 1."""
        campaign, everyone = Campaign(self), np.arange(self.customers)
        played = []
        for number, step in enumerate(self.times.T, start=1):
            states = campaign.states(everyone, step)
            weights = weights_of(states).astype(np.float64)
            weights /= weights.sum(axis=1, keepdims=True)
            actions = self.choose(weights, everyone, number)
            campaign.offer(everyone, step, actions)
            played.append((states, actions, weights[everyone, actions]))
        states, actions, propensity = (np.stack(part, axis=1) for part in zip(*played, strict=True))
        return Histories.from_campaign(self, campaign, states, actions, propensity)

    @cached_property
    def _events(self) -> tuple[Bools, Bools, Bools]:
        """(n, steps) each: visits, purchases before and after a customer is hooked. A visit is at the low end
        of a draw and a purchase at the high end, so that who is hooked only ever buys more."""
        visits, before, after = (np.empty((self.customers, STEPS), dtype=np.bool_) for _ in range(3))
        steps = np.arange(STEPS, dtype=np.uint64)
        keys, lucky = self._keys("event"), self._keys("luck")
        for some in row_chunks(self.customers, 8 * 8 * STEPS):
            drawn = uniform(mix(keys[some, None], steps))
            visits[some] = drawn < VISITS
            after[some] = drawn > 1 - PURCHASES_HOOKED
            in_luck = uniform(mix(lucky[some, None], steps)) < LUCK
            before[some] = np.where(in_luck, after[some], drawn > 1 - PURCHASES)
        return visits, before, after

    def _keys(self, *what: object) -> Keys:
        """(n,): randomness of each customer for one purpose."""
        names = ("next_best_action", str(self.seed), *map(str, what))
        return mix(np.arange(self.customers, dtype=np.uint64), seed(*names))


@dataclass
class Campaign:
    """What the customers of a world have been offered so far; a customer's offers come in order.

    firsts (n, 3): the step of the first offer of each arm. hooked (n,): the step from which on a customer is
    hooked. Both are NEVER where that has not happened."""

    world: World
    firsts: Ints = field(init=False)
    hooked: Ints = field(init=False)
    _visits: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.firsts = np.full((self.world.customers, len(ARMS)), NEVER)
        self.hooked = np.full(self.world.customers, NEVER)
        self._visits = _counts(self.world.visits)

    def states(self, who: Ints, step: Ints) -> Floats:
        """(m, 5) in the order of FEATURES: of these customers before what happens in the steps (m,)."""
        known = (self.world.demographic[who], self._visits[who, step])
        return np.column_stack([*known, self.firsts[who]]).astype(np.float64)

    def offer(self, who: Ints, step: Ints, actions: Ints) -> None:
        """Each of these customers gets one offer: what happens in its own step comes after it."""
        hooks = (actions == LARGE_DISCOUNT) & (self.firsts[who, ADVERTISEMENT] < NEVER)
        self.hooked[who] = np.minimum(self.hooked[who], np.where(hooks, step, NEVER))
        self.firsts[who, actions] = np.minimum(self.firsts[who, actions], step)

    def events(self) -> Counts:
        """(n, steps), places in EVENTS: what happens in all steps if no offer follows."""
        bought = self.world.purchases(self.hooked)
        return np.where(bought, np.int8(EVENTS.index("purchase")), self.world.visits)

    def bought(self) -> Ints:
        """(n,): purchases from the first offer on, if no other follows."""
        since = np.arange(STEPS) >= self.world.times[:, [0]]
        return np.asarray((since & (self.events() == EVENTS.index("purchase"))).sum(axis=1))

    def expected(self) -> Floats:
        """(n,): how many purchases from the first offer on are to be expected, given the offers."""
        rates = np.array([RATE, PURCHASES_HOOKED])
        steps = np.column_stack([self.hooked - self.world.times[:, 0], STEPS - self.hooked])
        return np.asarray(steps @ rates)


@dataclass(frozen=True, eq=False)
class Histories:
    """What was offered and what came of it, all offers (m,) = 3 n row by row, customer by customer.

    customer, number (from 1), step. states (m, 5): before the offer, in the order of FEATURES. actions:
    places in ARMS, and propensity: of those. rewards: purchases from the offer's own step up to the one
    before the next offer, or to the end; of two offers in a step, the second has them. terminal: the last.
    events (n, steps): places in EVENTS. before (n,): purchases before the first offer. expected (n,): those
    after it that were to be expected, given the offers."""

    customer: Ints
    number: Ints
    step: Ints
    states: Floats
    actions: Ints
    propensity: Floats
    rewards: Floats
    terminal: Bools
    events: Counts
    before: Counts
    expected: Floats

    @classmethod
    def from_campaign(
        cls, world: World, campaign: Campaign, states: Floats, actions: Ints, propensity: Floats
    ) -> Histories:
        """Those of a campaign that is over: states (n, 3, 5), actions and propensities (n, 3) of offers."""
        events, times = campaign.events(), world.times
        until = np.pad(times, ((0, 0), (0, 1)), constant_values=STEPS)
        bought = _counts(events == EVENTS.index("purchase"))
        so_far = np.take_along_axis(bought, until, axis=1)
        number = np.tile(np.arange(1, OFFERS + 1), world.customers)
        return cls(
            customer=np.repeat(np.arange(world.customers), OFFERS),
            number=number,
            step=times.ravel(),
            states=states.reshape(-1, len(FEATURES)),
            actions=actions.ravel(),
            propensity=propensity.ravel(),
            rewards=np.diff(so_far, axis=1).ravel().astype(np.float64),
            terminal=number == OFFERS,
            events=events,
            before=so_far[:, 0],
            expected=campaign.expected(),
        )

    @property
    def totals(self) -> Floats:
        """(n,): what each customer buys from the first offer on."""
        return np.asarray(self.rewards.reshape(-1, OFFERS).sum(axis=1))

    def transitions(self) -> Transitions:
        """From each offer to the next one, at which every arm may be chosen; states begin with a constant."""
        states = np.column_stack([np.ones(len(self.states)), self.states])
        goes_on = ~self.terminal[:, None]
        return Transitions(
            states=states,
            actions=self.actions,
            rewards=self.rewards,
            next_states=np.where(goes_on, np.roll(states, -1, axis=0), 0.0),
            next_eligible=np.repeat(goes_on, len(ARMS), axis=1),
            terminal=self.terminal,
        )


def _counts(happened: Bools) -> Counts:
    """(n, steps + 1): how often before each step, and in all."""
    counts = np.zeros((len(happened), STEPS + 1), dtype=np.int8)
    np.cumsum(happened, axis=1, out=counts[:, 1:])
    return counts
