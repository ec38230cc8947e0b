"""What became of the outcomes of some users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts.contract import ISSUE
from nightslate.kernels.attribution import CREDITS, UNATTRIBUTED, Attributor
from nightslate.records.overlap import Overlap

_OVERLAP = pa.schema([(field.name, pa.int64()) for field in fields(Overlap)])


_LEAST_TELLING_FIRST = (
    "not_valued",
    "at_horizon",
    "unnamed",
    "no_impression",
    "before_impression",
    "late",
    "too_many",
    "capped",
)


def attributed(attributors: Mapping[str, Attributor], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The rows of `credits` and of `unattributed`: each outcome is in one of them. attributors: by issue;
    tables: `impressions`, of which those of users with outcomes are wanted, and `outcomes`.

    Each issue credits its own impressions. An outcome that none of them credits is unattributed, for the
    reason of the issue that came closest to it."""
    if not tables["outcomes"].num_rows:
        return {"credits": CREDITS.empty_table(), "unattributed": UNATTRIBUTED.empty_table()}
    credits, left = [CREDITS.empty_table()], []
    for issue, attributor in attributors.items():
        shown = tables["impressions"]
        if len(attributors) > 1:
            shown = shown.filter(pc.equal(shown[ISSUE], issue))
        found = attributor.attribute(shown, tables["outcomes"])
        credits += found.credits()
        left.append(found.unattributed)
    return {"credits": pa.concat_tables(credits), "unattributed": _left_by_all(left)}


def _left_by_all(left: Sequence[pa.Table]) -> pa.Table:
    """The outcomes that are in all of these rows of `UNATTRIBUTED`, each with its most telling reason."""
    if len(left) == 1:
        return left[0]
    rows = pa.concat_tables(left)
    telling = pc.index_in(rows["reason"], pa.array(_LEAST_TELLING_FIRST, pa.string()))
    rows = rows.append_column("telling", telling).sort_by(
        [("outcome_id", "ascending"), ("telling", "descending")]
    )
    by_outcome = rows.group_by(UNATTRIBUTED.names[0], use_threads=False)
    found = by_outcome.aggregate(
        [*((name, "first") for name in UNATTRIBUTED.names[1:]), ("telling", "count")]
    )
    found = found.filter(pc.equal(found["telling_count"], len(left)))
    return found.rename_columns([*UNATTRIBUTED.names, "issues"]).select(UNATTRIBUTED.names).cast(UNATTRIBUTED)


def known_keys(tables: Mapping[str, pa.Table]) -> pa.Table:
    """How many outcomes have keys that the impressions have too: the sums of an `Overlap` as a row."""
    found = Overlap.of(tables["impressions"], tables["outcomes"])
    return pa.Table.from_pylist([asdict(found)], _OVERLAP)
