"""Who is held against whom: users who could be in either of two variants, by their own probabilities.

Moments of users who could not be in some variant have a place of their own, one name longer, so that those
of any two variants can be put together of whoever could be in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.experiments import Moments
from nightslate.kernels.experiment_users import ExperimentUsers
from nightslate.kernels.named_states import MomentsByName, Place

_AND = " "
"""No variant has a blank in its name."""


def choices_of(users: ExperimentUsers, variants: Sequence[str]) -> tuple[Ints, list[tuple[str, ...]]]:
    """(u,) which variants each user could be in, as a place among what there is of that: of all variants no
    name, else one that says which."""
    if users.could.all():
        return np.zeros(users.variant.size, dtype=np.int64), [()]
    patterns, place = np.unique(users.could, axis=0, return_inverse=True)
    names = np.array(variants)
    return place, [() if each.all() else (_AND.join(names[each].tolist()),) for each in patterns]


def by_variant(
    users: ExperimentUsers, variants: Sequence[str], segments: Sequence[str], who: Ints, values: Floats
) -> MomentsByName:
    """The moments of some users (m,), of values (m, K), by variant, and column and value of a segment."""
    found = dict[Place, Moments]()
    choice, choices = choices_of(users, variants)
    for column in (None, *segments):
        codes, names = users.segment(column)
        cell = (users.variant[who] * len(names) + codes[who]) * len(choices) + choice[who]
        sums = Moments.initial((len(variants), len(names), len(choices)), values.shape[1])
        sums = sums.update(cell, values)
        for variant, name, of in zip(*np.nonzero(sums.n), strict=True):
            place = variants[variant], column, names[name], *choices[of]
            found[place] = sums.cell(variant, name, of)
    return MomentsByName(found)


def pairs(found: MomentsByName, control: str) -> dict[Place, tuple[Moments, Moments | None]]:
    """By variant, column and value of a segment the moments of the users of a variant who could be in the
    control, too, and of those of the control who could be in that variant, if there are any. Of the control
    itself, twice, those of its users who could be in any other variant."""
    variants = sorted({str(place[0]) for place in found.states})
    paired = dict[Place, tuple[Moments, Moments | None]]()
    for variant in variants:
        others = [name for name in variants if name != control] if variant == control else [control]
        mine = _who_could(found, variant, others)
        theirs = mine if variant == control else _who_could(found, control, [variant])
        for place, moments in mine.states.items():
            paired[place] = moments, theirs.states.get((control, *place[1:]))
    return paired


def _who_could(found: MomentsByName, variant: str, others: Sequence[str]) -> MomentsByName:
    """Of the users of a variant who could be in any of some others."""
    whole = MomentsByName.initial()
    for (name, column, value, *could), moments in found.states.items():
        if name == variant and (not could or any(other in str(could[0]).split(_AND) for other in others)):
            whole = whole.merge(MomentsByName({(variant, column, value): moments}))
    return whole
