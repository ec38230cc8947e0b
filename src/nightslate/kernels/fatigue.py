"""How often users respond to being shown the same arm again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.core.experiments import Moments
from nightslate.kernels.credited import IMPRESSION, LAG
from nightslate.kernels.experiment_users import ExperimentUsers
from nightslate.kernels.lists import place_in
from nightslate.kernels.named_states import MomentsByName
from nightslate.programs.days import microseconds
from nightslate.programs.features import ARM
from nightslate.programs.readouts import Fatigue

KIND = "kind"


def by_showing(
    asked: Fatigue, users: ExperimentUsers, credits: pa.Table, variants: Sequence[str], end: int
) -> MomentsByName:
    """By variant and number of the showing of an arm to a user, from 1, as `core.experiments.fatigue` has
    them; of showings whose time to be responded to is over at `end`, in microseconds."""
    numbers, firsts = _numbered(users.shown_to, place_in(users.shown[ARM], pc.unique(users.shown[ARM])))
    soon = pc.less(credits[LAG], asked.within / timedelta(seconds=1))
    counts = pc.and_(soon, pc.is_in(credits[KIND], pa.array(asked.kinds, pa.string())))
    responded = np.asarray(pc.is_in(users.shown[IMPRESSION], credits.filter(counts)[IMPRESSION]), np.float64)
    over = users.shown_at + microseconds(asked.within) <= end
    number = np.minimum(numbers, asked.most - 1)[over]
    mine, place = np.unique(users.shown_to[over] * asked.most + number, return_inverse=True)
    showings = np.bincount(place, minlength=mine.size).astype(np.float64)
    again, first = (np.bincount(place, each[over], mine.size) for each in (responded, responded[firsts]))
    user, number = np.divmod(mine, asked.most)
    values = np.stack([again, showings, first, showings], axis=1) * users.weight[user][:, None]
    sums = Moments.initial((len(variants), asked.most), 4)
    sums = sums.update(users.variant[user] * asked.most + number, values)
    return MomentsByName(
        {
            (variants[variant], str(number + 1)): sums.cell(variant, number)
            for variant, number in zip(*np.nonzero(sums.n), strict=True)
        }
    )


def _numbered(user: Ints, arm: Ints) -> tuple[Ints, Ints]:
    """(i,) of impressions in the order of time how many of the same arm were shown to the user before, and
    (i,) the place of the first of them."""
    pair = user * (arm.max(initial=0) + 1) + arm
    order = np.argsort(pair, kind="stable")
    begins = np.flatnonzero(np.diff(pair[order], prepend=-1))
    lengths = np.diff(begins, append=pair.size)
    numbers, firsts = np.empty_like(pair), np.empty_like(pair)
    numbers[order] = np.arange(pair.size) - np.repeat(begins, lengths)
    firsts[order] = np.repeat(order[begins], lengths)
    return numbers, firsts
