"""Which shares the users of a night's assignments have, and why: the rows of the tables `rollout_shares` and
`score_contributions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nightslate.core.allocation.share_sums import ShareSums
from nightslate.core.arrays import Floats
from nightslate.core.effects import LinearEffects
from nightslate.engines import Tables, Work
from nightslate.kernels.moved_by_scores import MovedByScores
from nightslate.kernels.named_states import Place
from nightslate.kernels.rollout_cells import large_counts, without_small_parts
from nightslate.kernels.rollout_figures import ALL, ASSIGNED_COLUMNS, MOVED, SAMPLE, SUMS, RolloutFigures
from nightslate.models.effect_files import EffectFile, effects_with
from nightslate.pipeline.bucket_inputs import slates_day_input
from nightslate.pipeline.contextual_users import contextual_users
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import Control
from nightslate.pipeline.score_contributions import contribution_rows
from nightslate.pipeline.served_users import UserTables
from nightslate.programs.conditions import columns_of
from nightslate.tables import Table

Rows = list[dict[str, Any]]


class SharesOfUsers(NamedTuple):
    """shares, contributions: rows of the tables `rollout_shares` and `score_contributions`; users: a few, as
    `RolloutSample` has them, none where a single user is too few."""

    shares: Rows
    contributions: Rows
    users: Rows


def shares_of_users(
    night: IssueNight, control: Control, known_of: UserTables, scores: Table, assignments: Table
) -> SharesOfUsers:
    """Those of the day of slates of the night."""
    segments, file = told_apart_by(night), _model(night, control)
    seen = [feature.name for feature in night.issue.context] if file else []
    by, work, known = contextual_users(
        night, control, known_of, scores, assignments, told_apart_by=[*segments, *seen]
    )
    before = [control.before.get(name) for name in control.variants]
    everyone_before = np.array([np.nan if share is None else share for share in before])
    places = [control.variants.index(name) for name in file.treatments] if file else []
    moved = MovedByScores(places, file.encoder) if file else None
    figures = RolloutFigures(by, everyone_before, segments, moved)
    assigned = slates_day_input(assignments, night.slate_date, ASSIGNED_COLUMNS)
    work = Work({**work.inputs, "assignments": assigned}, night.program.buckets)

    def update(tables: Tables) -> Iterator[tuple[str, Any]]:
        yield from figures.update(known(tables), tables["scores"], tables["before"], tables["assignments"])

    states: dict[str, Any] = night.engine.fold(figures.initial(), update, work)
    least = night.program.min_cell
    told = without_small_parts(states[SUMS].states, least)
    return SharesOfUsers(
        shares=large_counts([*_rows(night, control.variants, told)], least),
        contributions=[*contribution_rows(night, control.asked, file, states[MOVED])] if file else [],
        users=states[SAMPLE].to_pylist() if least == 1 else [],
    )


def _model(night: IssueNight, control: Control) -> EffectFile | None:
    """Whose scores are gone by; None without one, and where its effects are no sums of what features add."""
    if control.digest is None:
        return None
    found = effects_with(night.mlflow, night.name, control.digest)
    return found if isinstance(found.model, LinearEffects) else None


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
