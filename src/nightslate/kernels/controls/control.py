"""What a control is: a policy beside the one that decides, which lacks a part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Float32s
from nightslate.core.policies.by_arm import weights_among
from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.kernels.rewards import Costs
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.slate_weights import WeightAdjustment


@dataclass(frozen=True, eq=False)
class Shown:
    """n rows on what was shown, with contexts. eligible (n, A): which arms could have been. `restricted`:
    whether models know these before they choose, and choose among them."""

    rows: pa.Table
    eligible: Bools
    restricted: bool = False


@dataclass(frozen=True, eq=False)
class Choice:
    """How a policy ranks the arms of n rows: by weights (n, A), and with a penalty for more of the same,
    where it has one. among (n, A): the arms that it chooses among, where these are others than could have
    been shown."""

    weights: NDArray[np.floating]
    diversity: DiversityPenalty | None = None
    among: Bools | None = None


class Ranks(Protocol):
    """A policy as it was on one day."""

    def choice(self, shown: Shown) -> Choice:
        """How it would have ranked what was shown on the day."""
        ...


@dataclass(frozen=True)
class Played:
    """A model as slates are made by it."""

    model: ScoredBy
    floor: float
    adjustment: WeightAdjustment = field(default_factory=WeightAdjustment)

    def choice(self, shown: Shown) -> Choice:
        """Among the arms that could have been shown."""
        if not shown.restricted:
            return Choice(self._weights(self.model, shown.rows), self._diversity)
        weights = weights_among(
            shown.eligible,
            lambda at, arms: self._weights(self.model.among(arms), shown.rows.take(pa.array(at))),
        )
        return Choice(weights, self._diversity)

    def choice_among_all(self, shown: Shown) -> Choice:
        """Among all arms of the model, whichever of them a user could get."""
        weights = self._weights(self.model, shown.rows)
        return Choice(weights, self._diversity, among=np.ones_like(shown.eligible))

    @property
    def _diversity(self) -> DiversityPenalty | None:
        return self.adjustment.diversity(self.model.arms)

    def _weights(self, model: ScoredBy, rows: pa.Table) -> Float32s:
        return self.adjustment.weights(model.choices(rows), model.arms, self.floor)


@dataclass(frozen=True)
class DecidedDay:
    """Who decided what was shown on a day: the champion, as its slates of the day were made. rule: who
    decides for users of the variant that the experiment holds others against; None where there is none, or no
    model of it. `costs`: what showing arms costs, which is a part of what models expect. `slots`: of a
    decision."""

    champion: Played
    rule: Played | None
    costs: Costs
    slots: int


class Control(Protocol):
    """A policy that differs from the champion by what it lacks."""

    @property
    def name(self) -> str:
        """What programs and tables call it."""
        ...

    @property
    def reaches_everyone(self) -> bool:
        """Whether it would show something to users to whom nothing was shown."""
        ...

    def on(self, day: DecidedDay) -> Ranks | None:
        """The policy of a day; None where there is none."""
        ...
