"""Whom scores move towards the control and whom towards a treatment, as a model of effects sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightslate.core.allocation.share_sums import Drawn
from nightslate.core.allocation.shares import EXACT
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.effects.moved_contexts import MovedContexts
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.scoring import in_chunks


@dataclass(frozen=True)
class MovedByScores:
    """treatments: those of the model, by their place among the variants; encoder: how it sees contexts."""

    treatments: Sequence[int]
    encoder: Encoder

    def initial(self) -> MovedContexts:
        """Of no users."""
        return MovedContexts.initial(len(self.treatments), self.encoder.width)

    def update(
        self, users: pa.Table, of_user: Ints, drawn: Drawn, baseline: Floats, by_score: Bools
    ) -> MovedContexts:
        """Of users (u,) with their contexts, who are in these places (u,) of those drawn (n,). baseline (k,):
        everyone's shares; by_score (n,): who has others because of a score."""
        places = [*self.treatments]
        off = drawn.shares[:, places] - baseline[places]
        for_score = by_score[:, None] & np.isfinite(drawn.scores[:, places])
        moved = np.stack([(off < -EXACT) & for_score, (off > EXACT) & for_score], axis=2)[of_user]
        mine = np.flatnonzero(moved.any(axis=(1, 2)))
        found, done = self.initial(), 0
        for some in in_chunks(users.take(pa.array(mine))):
            rows = mine[done : done + some.num_rows]
            found, done = found.update(self.encoder(some), moved[rows]), done + some.num_rows
        return found
