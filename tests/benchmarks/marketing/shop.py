"""The world of marketing_templates as learners of core see it, night by night, without files or tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from nightslate import programs
from nightslate.core.policies import Arms, LinearThompson
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.learner import Policy
from nightslate.core.policies.statistics import LinearSums
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.training import arms_of, encoder_for
from nightslate.programs.learners import ignored_by
from nightslate.worlds.marketing_templates.landing import profiles
from nightslate.worlds.marketing_templates.population import Day, Population
from nightslate.worlds.marketing_templates.rec_engine import Decisions, Moment, decided
from nightslate.worlds.marketing_templates.simulation import most_in_a_week
from nightslate.worlds.marketing_templates.templates import ARMS, NOTHING, ORDER_VALUES, described
from nightslate.worlds.marketing_templates.world import Customers, World

ALL_LAUNCHED = 99
"""A day on which every template is there."""

Choice = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(n, d) contexts and what is eligible (n, arms) -> (n, arms) the probability of each arm."""


@dataclass(frozen=True)
class Shop:
    """So many customers, and what a program's learners look at of them."""

    world: World

    @cached_property
    def program(self) -> programs.Program:
        return programs.find("marketing_templates")

    @property
    def values(self) -> Mapping[str, float]:
        """What each kind of outcome is worth."""
        return self.program.only_issue.rewards.values

    @cached_property
    def encoder(self) -> Encoder:
        """Of what the program's learners don't ignore."""
        ignored = ignored_by(self.program.only_issue.learners["shared"])
        features = [each for each in self.program.context if each.name not in ignored]
        known = self._known(self.world.customers(0), np.zeros(self.world.users))
        counts = {
            each.name: Counter(known[each.name].to_pylist()) for each in features if each.type == "category"
        }
        return encoder_for(features, counts)

    @cached_property
    def arms(self) -> Arms:
        logs = self.program.logs
        rows = pa.Table.from_pylist(described(ALL_LAUNCHED))
        return arms_of(rows, logs.arm_features, self.encoder, logs.crosses)

    def contexts(self, people: Customers, tired: np.ndarray) -> np.ndarray:
        """(n, d), after so many messages (n,) in the week before."""
        return self.encoder(self._known(people, tired))

    def population(self, decide: Callable[[Moment], Decisions]) -> Population:
        return Population(self.world, most_in_a_week(self.program), decide)

    def earned(self, day: Day) -> np.ndarray:
        """(m,) by each decision of a day."""
        order = self.values["purchased"] * day.happened["purchased"] * ORDER_VALUES[day.decisions.arm]
        others = (self.values[kind] * day.happened[kind] for kind in ("clicked", "unsubscribed"))
        return np.asarray(order + sum(others))

    def worth(self, day: Day) -> np.ndarray:
        """(m, arms) what each arm would have been expected to earn at each decision, delivered."""
        return day.chances.worth(self.values)

    def _known(self, people: Customers, tired: np.ndarray) -> pa.Table:
        return profiles(people).append_column("messages_7d", pa.array(tired.astype(np.float64)))


@dataclass
class Nightly:
    """Chooses by what `choose` says, and keeps the probabilities of the last day's decisions (m, arms)."""

    shop: Shop
    choose: Choice
    probabilities: np.ndarray = field(default_factory=lambda: np.empty((0, len(ARMS))))

    def __call__(self, moment: Moment) -> Decisions:
        place = np.flatnonzero(moment.reached)
        people, tired = moment.people.take(place), moment.tired[place]
        chosen = self.choose(self.shop.contexts(people, tired), moment.eligible[place])
        drawn = self.shop.world.draws(people, moment.day, "chooses")
        arm = np.zeros(len(moment.people), dtype=np.int64)
        arm[place] = (np.cumsum(chosen, axis=1) < drawn[:, None]).sum(axis=1).clip(max=len(ARMS) - 1)
        self.probabilities = chosen
        return decided(moment, arm)


def at_random(contexts: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """Any arm that may be sent."""
    return eligible / eligible.sum(axis=1, keepdims=True)


def by_policy(policy: Policy, floor: float) -> Choice:
    """As nights do: the policy chooses among the arms that a customer may get."""

    def choose(contexts: np.ndarray, eligible: np.ndarray) -> np.ndarray:
        found = np.zeros(eligible.shape)
        sets, which = np.unique(eligible, axis=0, return_inverse=True)
        for number, among in enumerate(sets):
            rows, places = np.flatnonzero(which == number), np.flatnonzero(among)
            weights = mix_floor(policy.among(places).weights(contexts[rows]), floor).astype(np.float64)
            found[np.ix_(rows, places)] = weights / weights.sum(axis=1, keepdims=True)
        return found

    return choose


@dataclass
class Learning:
    """A learner that is fitted each night to all that was seen."""

    shop: Shop
    learner: LinearThompson
    state: LinearSums = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.learner.initial(len(ARMS), self.shop.encoder.width)

    def see(self, day: Day) -> None:
        decisions = day.decisions
        known = day.delivered | (decisions.arm == NOTHING)
        people, tired = day.morning.take(decisions.place[known]), day.tired[decisions.place[known]]
        earned = self.shop.earned(day)[known]
        self.state = self.state.update(self.shop.contexts(people, tired), decisions.arm[known], earned)

    def choice(self, night: int, floor: float) -> Choice:
        return by_policy(self.learner.fit(self.state, self.shop.arms, night), floor)


def regret(shop: Shop, day: Day, probabilities: np.ndarray) -> np.ndarray:
    """(m,) what is expected to be lost by each decision to the best arm that could be sent."""
    worth = shop.worth(day)
    best = np.where(day.decisions.eligible, worth, -np.inf).max(axis=1)
    return np.asarray(best - (probabilities * worth).sum(axis=1))
