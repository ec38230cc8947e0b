"""A rollout in small, of users of the world `rollout_allocation`, by what nights are made of without their
tables: scores learnt from what came of users, shares by scores, ramp and signals, sticky draws by the kernel
that assigns. Apart, so that worker processes can import it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from tests.benchmarks.coverage.contextual_readouts import Readout, Users

from nightslate.core.allocation import (
    Limits,
    Ramp,
    RampState,
    RampStep,
    Signal,
    SignalEffect,
    SignalRule,
    advanced,
    effect_of_signals,
    share_at,
)
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.effects import (
    EffectModel,
    EffectSums,
    Observed,
    OutcomeSums,
    ResidualSums,
    Worth,
    could_be,
    pseudo_outcomes,
)
from nightslate.core.experiments.outcome_model import FOLDS
from nightslate.core.hashing import deal
from nightslate.kernels.assignments import ASSIGNMENTS
from nightslate.kernels.contextual_assignments import BEFORE_COLUMNS, SCORE_COLUMNS, ContextualAssignment
from nightslate.kernels.lists import matrix, place_in
from nightslate.pipeline.effect_fitting import LEAST_USERS
from nightslate.worlds.rollout_allocation.app import CONTROL, NOBODY, TREATMENT, VARIANTS, Assigned
from nightslate.worlds.rollout_allocation.incidents import NAME
from nightslate.worlds.rollout_allocation.population import DAY, Day
from nightslate.worlds.rollout_allocation.world import DEVICES, KINDS, NEVER, OLD, PLANS, REGIONS, World

USERS, DAYS = 1_500, 22
WINDOW = 4
"""Days since the first exposure that readouts count, and since the assignment that scores are learnt from."""

FIRST, MICROSECONDS = date(2026, 3, 2), 10**6
RAMP = Ramp((RampStep(0.15, 2), RampStep(0.35, 3), RampStep(0.6)), "step_back", resume_after=2)
RULES = (SignalRule("stop", NAME, least_severity=3), SignalRule("reduce", NAME, factor=0.5))
RANGE, SCALE, FLOOR, LEAST_MOVE = 0.3, 3.0, 0.05, 0.05
WORTH, RIDGE, LEARNT_IN = Worth(weight=1.0, caution=0.25), 50.0, 4
BREACHED = 1.0
"""From so many standard errors on, trouble that the treatment seems to bring takes the last step back: far
too few, so that most worlds are rolled back once, by what was seen in them."""


@dataclass(eq=False)
class ClosedLoop:
    """Assigns users of a world, and learns from what comes of it. `night` follows each day."""

    world: World
    ids: pa.Array = field(init=False)
    assigned: Assigned = field(init=False)
    first_day: Ints = field(init=False)
    first_variant: Ints = field(init=False)
    first_shares: Floats = field(init=False)
    of_everyone: Floats = field(init=False)
    contexts: Floats = field(init=False)
    exposed: Floats = field(init=False)
    old: Bools = field(init=False)
    ramp: RampState = field(default_factory=lambda: RampState.begun(1))
    rolled_back: bool = False
    scored_from: int | None = None
    assignments: list[pa.Table] = field(default_factory=list)
    shares: dict[date, tuple[float, float]] = field(default_factory=dict)
    _outcomes: dict[str, list[tuple[Ints, Floats]]] = field(init=False)

    def __post_init__(self) -> None:
        n = self.world.users
        self.assigned, self.ids = Assigned.nobody(n), ids_of(self.world)
        self.first_day, self.first_variant = np.full(n, NEVER), np.full(n, NOBODY)
        self.first_shares, self.of_everyone = np.full((n, len(VARIANTS)), np.nan), np.full(n, np.nan)
        self.contexts = np.zeros((n, 1 + len(REGIONS) + len(DEVICES) + len(PLANS)))
        self.exposed, self.old = np.full(n, np.inf), np.zeros(n, dtype=np.bool_)
        self._outcomes = {kind: [] for kind in KINDS}

    def __call__(self, _: int) -> Assigned:
        """As the last night assigned users."""
        return self.assigned

    def night(self, day: Day) -> None:
        """After a day: who is in which variant on the next one."""
        self._log(day)
        tomorrow = day.day + 1
        if self.assignments:
            treated = int(self.assigned.treated.sum())
            self.ramp = advanced(self.ramp, RAMP, tomorrow, treated, self._guardrail(tomorrow), False)
        share = share_at(RAMP, self.ramp)
        baseline = np.array([1 - share, share])
        limits = Limits(baseline, CONTROL, RANGE, risk_tolerance=0.0, scale=SCALE, floor=FLOOR)
        assignment = ContextualAssignment(
            "checkout",
            salt_of(self.world),
            FIRST + timedelta(days=tomorrow),
            VARIANTS,
            limits,
            effects=self._signals(day.day),
            region="region",
            least_move=LEAST_MOVE,
        )
        contexts = self._contexts(day)
        there = np.flatnonzero(day.morning.present)
        region = pa.array(REGIONS).take(pa.array(self.world.people.region[there]))
        users = pa.table({"user_id": self.ids.take(pa.array(there)), "region": region})
        before = self.assignments[-1] if self.assignments else ASSIGNMENTS.empty_table()
        rows = assignment.rows(users, self._scores(contexts, there, tomorrow), before.select(BEFORE_COLUMNS))
        self.assignments.append(rows)
        self.shares[assignment.slate_date] = (1 - share, share)
        self._assign(rows, contexts, tomorrow, share)

    def users(self, kind: str, days: int) -> tuple[Ints, Users]:
        """Those who could be in either variant at first and whose time is over after so many days, by place
        in the world, and what is known of them."""
        could = ((self.first_shares > 0) & (self.first_shares < 1)).all(axis=1)
        who = np.flatnonzero(could & (self.exposed + WINDOW * DAY <= days * DAY))
        before = self._came("purchase", who, self.exposed[who] - days * DAY, self.exposed[who])
        return who, Users(
            day=self.first_day[who] - 1,
            fold=deal(self.world.people.key[who], self.world.seed, FOLDS),
            variant=self.first_variant[who],
            treated=self.first_shares[who, TREATMENT],
            share=self.of_everyone[who],
            risk=self.old[who].astype(np.int64),
            x=before,
            values=self._came(kind, who, self.exposed[who], self.exposed[who] + WINDOW * DAY),
        )

    def outcomes(self, kind: str) -> tuple[Ints, Floats]:
        """Of all so far the places of the users, and when each came, in seconds."""
        places, moments = zip(*self._outcomes[kind], strict=True)
        return np.concatenate(places), np.concatenate(moments)

    def _log(self, day: Day) -> None:
        at = day.day * DAY + day.at
        for kind in KINDS:
            rows = day.happened[kind]
            self._outcomes[kind].append((day.place[rows], (at + day.delays[kind])[rows]))
        first = day.logged & (self.first_day[day.place] <= day.day) & np.isinf(self.exposed[day.place])
        who = day.place[first]
        self.exposed[who], self.old[who] = at[first], day.morning.device[who] == OLD

    def _came(self, kind: str, who: Ints, since: Floats, until: Floats) -> Floats:
        """(m,) how much of a kind came of each of some users (m,) in [since, until), both (m,)."""
        place, at = self.outcomes(kind)
        begin, end = np.full(self.world.users, np.inf), np.full(self.world.users, -np.inf)
        begin[who], end[who] = since, until
        inside = (at >= begin[place]) & (at < end[place])
        return np.bincount(place[inside], minlength=self.world.users)[who].astype(np.float64)

    def _contexts(self, day: Day) -> Floats:
        people = self.world.people
        told = (REGIONS, people.region), (DEVICES, day.morning.device), (PLANS, people.plan)
        return np.hstack([np.ones((self.world.users, 1)), *(np.eye(len(of))[each] for of, each in told)])

    def _guardrail(self, days: int) -> str | None:
        """Breached once at most."""
        if self.rolled_back or self.ramp.step < len(RAMP.steps) - 1:
            return "ok" if self.rolled_back else None
        _, users = self.users("trouble", days)
        if min(np.bincount(users.variant, minlength=2)) < LEAST_USERS:
            return None
        found = Readout(users).by_method({})["aipw"]
        self.rolled_back = found.stderr is not None and found.effect > BREACHED * found.stderr
        return "breached" if self.rolled_back else "ok"

    def _signals(self, day: int) -> dict[str | None, SignalEffect]:
        a_day, incidents = int(DAY) * MICROSECONDS, self.world.incidents
        signals = [
            Signal(NAME, each.severity, each.begins * a_day, each.ends * a_day, REGIONS[each.region])
            for each in incidents.begun(day)
            if each.announced <= day
        ]
        moment = (day + 1) * a_day
        return {region: effect_of_signals(signals, RULES, moment, region) for region in (None, *REGIONS)}

    def _scores(self, contexts: Floats, there: Ints, tomorrow: int) -> pa.Table:
        """Of the users who are there, by what came of others."""
        model = self._model(tomorrow)
        told = there if model is not None else there[:0]
        score = WORTH.score(model.effects(contexts[told]))[:, 0] if model is not None else np.zeros(0)
        variant = pa.repeat(VARIANTS[TREATMENT], len(told))
        columns = [self.ids.take(pa.array(told)), variant, pa.array(score)]
        return pa.table(columns, names=[*SCORE_COLUMNS])

    def _model(self, days: int) -> EffectModel | None:
        could = (self.first_shares > 0).all(axis=1)
        who = np.flatnonzero(could & (self.first_day + LEARNT_IN <= days))
        variant, since = self.first_variant[who], self.first_day[who] * DAY
        if min(np.bincount(variant, minlength=2)) < LEAST_USERS:
            return None
        if self.scored_from is None:
            self.scored_from = days
        values = [self._came(kind, who, since, since + LEARNT_IN * DAY) for kind in KINDS]
        keys, folds, treatments = self.world.people.key[who], 4, np.array([TREATMENT])
        users = Observed(
            self.contexts[who],
            deal(keys, 1, folds),
            variant,
            self.first_shares[who],
            np.stack(values, axis=1),
            keys,
        )
        width, metrics = users.contexts.shape[1], len(KINDS)
        expected = OutcomeSums.initial(folds, len(VARIANTS), width, metrics).update(users).models()
        scores = pseudo_outcomes(users, expected, CONTROL, treatments)
        could = could_be(users, CONTROL, treatments)
        sums = EffectSums.initial(folds, 1, width, metrics).update(users, scores, could)
        fits = sums.fits(RIDGE)
        residuals = ResidualSums.initial(folds, 1, width, metrics).update(users, scores, could, fits)
        return residuals.models(fits, sums).of_all

    def _assign(self, rows: pa.Table, contexts: Floats, day: int, share: float) -> None:
        place = place_in(rows["user_id"], self.ids)
        self.assigned = Assigned.nobody(self.world.users)
        self.assigned.variant[place] = place_in(rows["variant"], pa.array(VARIANTS))
        self.assigned.probability[place] = rows["probability"].to_numpy()
        self.assigned.shares[place] = matrix(rows["shares"])
        new = place[self.first_day[place] == NEVER]
        self.first_day[new], self.of_everyone[new] = day, share
        self.first_variant[new] = self.assigned.variant[new]
        self.first_shares[new] = self.assigned.shares[new]
        self.contexts[new] = contexts[new]


def ids_of(world: World) -> pa.Array:
    """(n,) pseudonyms whose keys are those of the world."""
    return pa.array([f"{key:016x}" for key in world.people.key.tolist()])


def salt_of(world: World) -> str:
    """The experiment's."""
    return f"checkout {world.seed}"
