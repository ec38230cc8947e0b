"""What models of effects say of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nightslate.core.allocation import contextual_score
from nightslate.core.arrays import Floats
from nightslate.core.effects.observed import Observed


@dataclass(frozen=True, eq=False)
class Effects:
    """Of n users and T treatments, each against the control: the effect (n, T, M) on M metrics, and its
    standard error."""

    mean: Floats
    stderr: Floats


@dataclass(frozen=True)
class Worth:
    """What effects are worth in all: the first metric less `weight` times the second, if there is one; and
    `caution`, by how many standard errors a score lies below that."""

    weight: float
    caution: float

    def of(self, values: Floats) -> Floats:
        """(..., M) -> (...)."""
        return values[..., 0] - self.weight * values[..., 1] if values.shape[-1] > 1 else values[..., 0]

    def score(self, effects: Effects) -> Floats:
        """(n, T), see `core.allocation.contextual_score`."""
        (benefit, benefit_se), (harm, harm_se) = self.columns(effects)
        return contextual_score(benefit, benefit_se, harm, harm_se, self.weight, self.caution)[0]

    def columns(self, effects: Effects) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """(n, T) each, of both metrics the effect and its standard error; 0 of one that there is not."""
        found = [*zip(np.moveaxis(effects.mean, -1, 0), np.moveaxis(effects.stderr, -1, 0), strict=True)]
        nothing = np.zeros(effects.mean.shape[:-1])
        return found[0], found[1] if len(found) > 1 else (nothing, nothing)


class EffectModel(Protocol):
    """A fitted model of effects."""

    def effects(self, contexts: Floats) -> Effects:
        """Of users with these contexts (n, d)."""


@dataclass(frozen=True)
class CrossFitted:
    """A model that all users taught, and for the users of each fold one that the others did."""

    of_all: EffectModel
    of_others: Sequence[EffectModel]

    def held_out(self, users: Observed) -> Effects:
        """Of users by what others taught."""
        places, parts = [], []
        for fold, at in users.by_fold():
            places.append(at)
            parts.append(self.of_others[fold].effects(users.contexts[at]))
        if not parts:
            return self.of_all.effects(users.contexts)
        back = np.argsort(np.concatenate(places))
        mean, stderr = (
            np.concatenate(each)[back]
            for each in ([part.mean for part in parts], [part.stderr for part in parts])
        )
        return Effects(mean, stderr)
