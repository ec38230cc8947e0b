"""New participants of retirement plans, what they would do about each message, and what that is worth.

Every draw is a hash of the seed, of who it is about and of what it is for: nothing depends on the order in
which anything is asked for, and what is shown to one participant changes nothing for another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.worlds.onboarding_401k.messages import FORMAT_OF, FORMATS, MESSAGES, TOPIC_OF, TOPICS

DEVICES = ("web", "app")
AGE_BANDS = ("under_30", "30_to_44", "45_and_over")
PLANS = ("auto_enrolled", "voluntary")
MATCHES = ("none", "partial", "full")
DAYS_ON_BOARD = 90
STAGES = (7, 30, 60)
"""The days since enrolment at which a participant's interests change."""

TILES = np.array([3, 2])
"""Messages shown at once, by device."""

EXAMINED = np.array([[1.0, 0.5, 0.3], [1.0, 0.4, 0.0]])
"""(devices, slots): how likely a tile is looked at."""

FATIGUE = 0.9
"""What each earlier exposure in the month leaves of the response to a message."""

RATES: Mapping[str, float] = {"click": 0.05, "qualified_view": 0.03, "task": 0.02}
"""What comes of a message of middling interest that is looked at, by kind of outcome."""

_MOST = 0.6
_EFFECTS: Mapping[str, tuple[float, tuple[int, ...]]] = {
    "stage": (1.0, (len(STAGES) + 1, len(TOPICS))),
    "age": (0.15, (len(AGE_BANDS), len(TOPICS))),
    "plan": (0.15, (len(PLANS), len(TOPICS))),
    "device": (0.2, (len(DEVICES), len(FORMATS))),
    "message": (0.1, (len(MESSAGES),)),
}
"""How much each thing moves the logarithm of a chance: a standard deviation, and the shape of its table."""

_SPREAD_OF_TASTE, _SPREAD_OF_KEENNESS = 0.1, 0.4
_KNOWN_AGES = 0.6
_WITH_HEALTH_SAVINGS = 0.5
_MEAN_DELAY, _LONGEST_DELAY = 4.0, 14.0


@dataclass(frozen=True, eq=False)
class Participants:
    """Who is on board on a day; all (n,). `number`: of the participant, `days`: since enrolment. `device`,
    `age`, `plan` and `match` are places in the tuples of those names. What a log may say of them is all but
    `age` where `age_known` is false."""

    number: Ints
    key: Keys
    days: Ints
    device: Ints
    age: Ints
    age_known: Bools
    plan: Ints
    match: Ints

    def __len__(self) -> int:
        return len(self.number)

    @property
    def stage(self) -> Ints:
        """(n,): 0 in the first week, then 1 to 3."""
        return np.searchsorted(STAGES, self.days, side="right")

    @property
    def ids(self) -> list[str]:
        return [f"participant-{number}" for number in self.number]

    def take(self, at: Ints | Bools) -> Participants:
        """Some of them."""
        return Participants(**{name: values[at] for name, values in vars(self).items()})


@dataclass(frozen=True)
class World:
    """`users` participants are on board on every day: who completes the first 90 days makes room for a new
    one. Days count from 0, the first day of the program."""

    users: int
    seed: int

    def participants(self, day: int) -> Participants:
        """All of a day, in the order of the places that they hold."""
        place = np.arange(self.users)
        since = _one_of(mix(place.astype(np.uint64), self._seed_for("enrolled")), DAYS_ON_BOARD) + day
        number = place + self.users * (since // DAYS_ON_BOARD)
        key = mix(number.astype(np.uint64), self._seed_for("participant"))
        return Participants(
            number=number,
            key=key,
            days=since % DAYS_ON_BOARD,
            device=_one_of(mix(key, self._seed_for("device")), len(DEVICES)),
            age=_one_of(mix(key, self._seed_for("age")), len(AGE_BANDS)),
            age_known=uniform(mix(key, self._seed_for("age known"))) < _KNOWN_AGES,
            plan=_one_of(mix(key, self._seed_for("plan")), len(PLANS)),
            match=_one_of(mix(key, self._seed_for("match")), len(MATCHES)),
        )

    def visits(self, people: Participants, day: int) -> Ints:
        """The places of those who look at their homepage on a day: some twice a week, some once in three."""
        often = 0.05 + 0.25 * uniform(mix(people.key, self._seed_for("often")))
        return np.flatnonzero(uniform(mix(people.key, self._seed_for("visit", day))) < often)

    def eligible(self, people: Participants) -> Bools:
        """(n, messages): nobody is told about a match or a health account that the plan does not have, and
        nobody about a rollover in the first week."""
        topic = np.ones((len(people), len(TOPICS)), dtype=np.bool_)
        topic[:, TOPICS.index("employer_match")] = people.match > 0
        topic[:, TOPICS.index("health_savings")] = self._has_health_savings(people)
        topic[:, TOPICS.index("rollover")] = people.stage > 0
        return topic[:, TOPIC_OF]

    def chances(self, people: Participants, seen: Ints, kind: str) -> Floats:
        """(n, messages): the probability of an outcome of a message that is looked at, after it was `seen` so
        often in the month."""
        effects = self._effects[kind]
        of_topic = (
            effects["stage"][people.stage]
            + effects["age"][people.age]
            + effects["plan"][people.plan]
            + _SPREAD_OF_TASTE * _normal(mix(people.key[:, None], self._topics))
        )
        of_message = effects["device"][people.device][:, FORMAT_OF] + effects["message"]
        keenness = _SPREAD_OF_KEENNESS * _normal(mix(people.key, self._seed_for("keenness")))
        interest = of_topic[:, TOPIC_OF] + of_message + keenness[:, None]
        return np.asarray(np.minimum(_MOST, RATES[kind] * np.exp(interest)) * FATIGUE**seen)

    def worth(self, people: Participants, seen: Ints, values: Mapping[str, float]) -> Floats:
        """(n, messages): the expected reward of a message that is looked at."""
        return np.asarray(sum(values.get(kind, 0.0) * self.chances(people, seen, kind) for kind in RATES))

    def draws(self, people: Participants, day: int, kind: str) -> Floats:
        """(n, messages) uniform: whoever sees a message on a day responds where this is under the chance."""
        return uniform(mix(mix(people.key, self._seed_for(kind, day))[:, None], self._messages))

    def delays(self, people: Participants, day: int) -> Floats:
        """(n, messages): days from seeing a message to the task, exponential and no longer than two weeks."""
        longest = -np.expm1(-_LONGEST_DELAY / _MEAN_DELAY)
        at = uniform(mix(mix(people.key, self._seed_for("delay", day))[:, None], self._messages))
        return np.asarray(-_MEAN_DELAY * np.log1p(-at * longest))

    def times(self, people: Participants, day: int) -> Floats:
        """(n,): the time of day of a visit, as a share of the day: 06:00 to 21:00."""
        return 0.25 + 0.625 * uniform(mix(people.key, self._seed_for("time", day)))

    def keys(self, people: Participants, day: int, purpose: str) -> Keys:
        """(n,): randomness of a day for a `purpose` of others, of which the world knows nothing."""
        return mix(people.key, self._seed_for(purpose, day))

    def _has_health_savings(self, people: Participants) -> Bools:
        return uniform(mix(people.key, self._seed_for("health savings"))) < _WITH_HEALTH_SAVINGS

    def _seed_for(self, *what: object) -> int:
        return seed("onboarding_401k", str(self.seed), *map(str, what))

    @cached_property
    def _effects(self) -> Mapping[str, Mapping[str, Floats]]:
        """By kind of outcome, what moves the logarithm of its chance. Half of the variance is common to all
        kinds: what is clicked is often, but not always, what leads to a task."""
        return {
            kind: {
                name: spread * (self._table(name, "all", shape) + self._table(name, kind, shape)) / np.sqrt(2)
                for name, (spread, shape) in _EFFECTS.items()
            }
            for kind in RATES
        }

    def _table(self, name: str, kind: str, shape: tuple[int, ...]) -> Floats:
        cells = np.arange(np.prod(shape), dtype=np.uint64)
        return _normal(mix(cells, self._seed_for("effect", name, kind))).reshape(shape)

    @cached_property
    def _topics(self) -> Keys:
        return np.array([[self._seed_for("taste", topic) for topic in TOPICS]], dtype=np.uint64)

    @cached_property
    def _messages(self) -> Keys:
        return np.array([[seed(message) for message in MESSAGES]], dtype=np.uint64)


def _one_of(keys: Keys, count: int) -> Ints:
    """Places below `count`, each as likely as the others."""
    return (keys % np.uint64(count)).astype(np.int64)


def _normal(keys: Keys) -> Floats:
    return np.asarray(ndtri(uniform(keys)))
