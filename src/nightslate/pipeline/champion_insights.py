"""What is told of a linear or logistic champion, as rows of the table `insights`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from nightslate.core.arrays import Floats
from nightslate.core.hashing import seed
from nightslate.core.insights import (
    BestShares,
    Contributions,
    Effects,
    HeldOut,
    Importance,
    Permutation,
    Regression,
    centring,
    contributions,
    effects_of_arms,
    effects_of_features,
)
from nightslate.kernels.buckets import text_keys, user_keys
from nightslate.kernels.channels import CHANNELS, CLOSED, OpenChannels
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.insights import said_of
from nightslate.kernels.place_names import categories, crossed_name, place_names
from nightslate.kernels.rewards import arm_places, folds_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Champion:
    """A champion that has coefficients. `regression`: of all `rows`; `held_out`: by fold of users, of
    those of all others. `encoder`: of contexts; `seen`: of what is looked at beside an arm; `described`: of
    arms. `pooled`: whether arms are known by their features."""

    program: str
    ids: tuple[str, ...]
    regression: Regression
    held_out: Sequence[Regression]
    rows: int
    encoder: Encoder
    seen: Encoder
    described: Encoder
    pooled: bool
    confidence: float

    def effects(self, shown: pa.Table, most: int) -> list[Row]:
        """The largest coefficients, beside the average of these showings and of all arms."""
        contexts, arms = self.encoder(shown), arm_places(shown, self.ids)
        beside = self.regression.arms.beside
        of_contexts = centring(beside(contexts, arms) if beside else contexts, categories(self.seen))
        named = place_names(self.seen)
        if self.pooled:
            described, by_arm = self.regression.arms, place_names(self.described)
            of_arms = centring(described.features, categories(self.described))
            found = effects_of_features(self.regression.posterior, of_contexts, of_arms)
            there = described.interactions(len(named)).T
        else:
            by_arm = tuple(f"arm {arm}" for arm in self.ids)
            found = effects_of_arms(self.regression.posterior, of_contexts)
            there = np.ones(found.mean.shape, dtype=np.bool_)
        there = there & (found.stderr > 0)
        there[0, 0] &= not self.pooled  # the level of all arms for everybody drives nothing
        return list(self._largest(found, there, (by_arm, named), most))

    def _largest(
        self, found: Effects, there: Any, names: tuple[Sequence[str], Sequence[str]], most: int
    ) -> Iterator[Row]:
        reach = float(ndtri((1 + self.confidence) / 2))
        at = np.argwhere(there)
        sizes = np.abs(found.mean[there])
        for place, number in enumerate(np.argsort(-sizes, kind="stable")[:most].tolist(), start=1):
            of_arm, of_context = at[number].tolist()
            value, stderr = float(found.mean[of_arm, of_context]), float(found.stderr[of_arm, of_context])
            yield {
                "figure": "effect",
                "place": place,
                "about": crossed_name(names[0][of_arm], names[1][of_context]),
                "arm_id": None if self.pooled else self.ids[of_arm],
                "value": value,
                "stderr": stderr,
                "lower": value - reach * stderr,
                "upper": value + reach * stderr,
                "n": self.rows,
            }

    def importances(self, shown: pa.Table, weights: Floats) -> list[Row]:
        """Of each feature that is looked at, and of which arm was shown, on showings (n,) that each weigh so
        much."""
        users = user_keys(shown)
        fold_of = folds_of(users, self.program, len(self.held_out))
        held_out = HeldOut.of(
            self.held_out,
            fold_of,
            self.encoder(shown),
            arm_places(shown, self.ids),
            shown["reward"].to_numpy(),
        )
        rows = Permutation(text_keys(shown["impression_id"].combine_chunks()), users, weights)
        found = {"arm": held_out.of_arm(rows, self._seed("arm"), self.confidence)}
        for name, at in self.encoder.slices.items():
            if name in self.seen.features:
                found[name] = held_out.of_context(at, rows, self._seed(name), self.confidence)
        for name, at in self.described.slices.items() if self.pooled else ():
            found[f"{name} of arms"] = held_out.of_arm_feature(at, rows, self._seed(name), self.confidence)
        ranked = sorted(found.items(), key=lambda item: (-item[1].value, item[0]))
        return [self._of_importance(place, *each, rows) for place, each in enumerate(ranked, start=1)]

    def _of_importance(self, place: int, name: str, found: Importance, rows: Permutation) -> Row:
        return {
            "figure": "importance",
            "place": place,
            "about": name,
            "value": found.value,
            "stderr": found.stderr,
            "lower": found.lower,
            "upper": found.upper,
            "reference": found.loss,
            "n": rows.keys.size,
        }

    def best(self, found: BestShares) -> list[Row]:
        """How likely each arm is the best, over users."""
        users = int(found.users)
        return [
            {"figure": "best", "place": place, "about": f"arm {arm}", "arm_id": arm, "n": users}
            | {"value": float(found.probability[place - 1] / users)}
            for place, arm in enumerate(self.ids, start=1)
            if users
        ]

    def examples(self, users: pa.Table, channels: OpenChannels | None, shown: pa.Table) -> list[Row]:
        """What made the top arm of each of some users the top one, beside the average of some showings."""
        average = self.encoder(shown).mean(axis=0)
        coefficients = self.regression.arms.spread(self.regression.posterior.mean)
        leads, parts = list[Row](), list[Row]()
        for user, context in zip(users.to_pylist(), self.encoder(users), strict=True):
            eligible = np.ones(len(self.ids), dtype=np.bool_)
            if channels is not None:
                eligible[:] = False
                eligible[channels.places(user[CHANNELS], self.ids, user[CLOSED])] = True
            found = contributions(
                coefficients, context, average, eligible, list(self.encoder.slices.values())
            )
            common = {"user_id": user["user_id"], "arm_id": self.ids[found.top], "n": 1}
            leads.append(common | {"about": f"arm {self.ids[found.top]}", "value": found.lead})
            parts += [common | {"about": about, "value": value} for about, value in self._parts(user, found)]
        return [
            row | {"figure": figure, "place": place}
            for figure, rows in (("lead", leads), ("contribution", parts))
            for place, row in enumerate(rows, start=1)
        ]

    def _parts(self, user: Mapping[str, Any], found: Contributions) -> list[tuple[str, float]]:
        """What a lead is made of, the largest first, without what adds nothing."""
        of_features = zip(self.encoder.features, found.of_features.tolist(), strict=True)
        named = [(said_of(user, name), value) for name, value in of_features if value]
        return sorted([("the arm by itself", found.by_itself), *named], key=lambda part: -abs(part[1]))

    def _seed(self, feature: str) -> int:
        return seed(self.program, "insights", feature)
