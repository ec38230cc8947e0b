"""Transitions of the table as fitted Q iteration takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from nightslate.core.fitted_q import Transitions
from nightslate.core.hashing import lowest, mix, seed
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.rewards import arm_places, eligible_arms
from nightslate.kernels.training import encoder_for
from nightslate.kernels.trajectories import NEXT
from nightslate.programs.logs import Feature


def sequence_encoder(features: Sequence[Feature], rows: pa.Table) -> Encoder:
    """The encoder of the states of some transitions."""
    categories = [feature.name for feature in features if feature.type == "category"]
    counts = {name: Counter(rows[name].drop_null().to_pylist()) for name in categories}
    return encoder_for(features, counts)


def transitions(rows: pa.Table, encoder: Encoder, arms: tuple[str, ...]) -> Transitions:
    """Rows of the table `transitions`. Those of an arm that is gone teach nothing, nor those after which no
    arm that is there could be chosen."""
    shown, terminal = arm_places(rows, arms), np.asarray(rows["terminal"], dtype=np.bool_)
    after = pa.table({name: rows[NEXT + name] for name in (*encoder.features, "eligible_arms")})
    eligible = eligible_arms(after, arms) & ~terminal[:, None]
    kept = np.flatnonzero((shown >= 0) & (terminal | eligible.any(axis=1)))
    next_states = np.where(terminal[kept, None], 0.0, encoder(after.take(kept)))
    return Transitions(
        states=encoder(rows.take(kept)),
        actions=shown[kept],
        rewards=rows["reward"].to_numpy()[kept],
        next_states=next_states,
        next_eligible=eligible[kept],
        terminal=terminal[kept],
    )


def sampled(rows: pa.Table, most: int, program: str) -> pa.Table:
    """At most so many of the transitions, the same whatever their order."""
    at = rows["occurred_at"].cast(pa.int64()).to_numpy().astype(np.uint64)
    keys = mix(mix(user_keys(rows), at), seed(program, "transitions"))
    return rows.filter(pa.array(lowest(keys, most)))
