"""Which shares the users of a night's assignments have, and why: the rows of the table `rollout_shares`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nightslate.core.allocation.share_sums import ShareSums
from nightslate.core.arrays import Floats
from nightslate.engines import Tables, Work
from nightslate.kernels.named_states import Place
from nightslate.kernels.rollout_cells import large_counts, without_small_parts
from nightslate.kernels.rollout_figures import ALL, ASSIGNED_COLUMNS, SAMPLE, SUMS, RolloutFigures
from nightslate.pipeline.bucket_inputs import slates_day_input
from nightslate.pipeline.contextual_users import contextual_users
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import Control
from nightslate.pipeline.served_users import UserTables
from nightslate.programs.conditions import columns_of
from nightslate.tables import Table

Rows = list[dict[str, Any]]


def shares_of_users(
    night: IssueNight, control: Control, known_of: UserTables, scores: Table, assignments: Table
) -> tuple[Rows, Rows]:
    """Rows of the table `rollout_shares`, and a few users as `RolloutSample` has them; none where a single
    user is too few."""
    segments = told_apart_by(night)
    by, work, known = contextual_users(night, control, known_of, scores, assignments, told_apart_by=segments)
    before = [control.before.get(name) for name in control.variants]
    everyone_before = np.array([np.nan if share is None else share for share in before])
    figures = RolloutFigures(by, everyone_before, segments)
    assigned = slates_day_input(assignments, night.slate_date, ASSIGNED_COLUMNS)
    work = Work({**work.inputs, "assignments": assigned}, night.program.buckets)

    def update(tables: Tables) -> Iterator[tuple[str, Any]]:
        yield from figures.update(known(tables), tables["scores"], tables["before"], tables["assignments"])

    states: dict[str, Any] = night.engine.fold(figures.initial(), update, work)
    least = night.program.min_cell
    told = without_small_parts(states[SUMS].states, least)
    rows = large_counts([*_rows(night, control.variants, told)], least)
    return rows, states[SAMPLE].to_pylist() if least == 1 else []


def told_apart_by(night: IssueNight) -> dict[str, Sequence[float]]:
    """The columns of contexts by which users are told apart, with the boundaries of numbers: the segments of
    the readout, where signals say users are, what rules look at, and numbers that have intervals."""
    asked, logs = night.issue.allocation, night.program.logs
    rules = asked.ruled(night.issue.context) if asked else []
    named = {*night.issue.experiment.segments, *([logs.signals.region] if logs.signals else [])}
    named |= {name for condition, _ in rules for name in columns_of(condition)}
    return {
        each.name: each.boundaries
        for each in night.issue.context
        if each.boundaries or (each.name in named and each.type == "category")
    }


def _rows(
    night: IssueNight, variants: Sequence[str], sums: Mapping[Place, ShareSums]
) -> Iterator[dict[str, Any]]:
    for (part, column, value), of_part in sums.items():
        users, whole = int(of_part.users), part == ALL and night.program.min_cell == 1
        figures = {
            "drawn": of_part.drawn,
            "came": of_part.came,
            "left": of_part.left,
            "share": of_part.mean_share.clip(0, 1),
            **{f"share_p{q}": of_part.share_quantile(q / 100) for q in (10, 50, 90)},
            "scored": of_part.scored,
            "below": of_part.below,
            "score": of_part.mean_score,
        }
        for at, variant in enumerate(variants):
            of_variant = {name: array[at].item() for name, array in figures.items()}
            yield {
                "issue": night.issue.name,
                "experiment": night.issue.salt,
                "variant": variant,
                "part": part,
                "segment": column,
                "segment_value": value,
                "users": users,
                "apart": int(of_part.apart),
                **of_variant,
                "score": of_variant["score"] if of_variant["scored"] else None,
                "shares": _parts(of_part.shares[at]) if whole else None,
                "asked": _parts(of_part.asked[at]) if whole else None,
            }


def _parts(counts: Floats) -> list[float] | None:
    """Of all that are counted; None where nothing is."""
    total = counts.sum()
    return (counts / total).tolist() if total else None
