"""What an audit found, counted by fault, and told."""

from __future__ import annotations

import pyarrow as pa

from nightslate.errors import ContractError

_SHOWN = 10


def counts_of(faults: pa.Table) -> pa.Table:
    """How many rows of a unit of work have each fault, and one of them. faults: as kernels find them."""
    return faults.group_by("fault").aggregate([("id", "count"), ("id", "min")])


def require_sound(
    counts: pa.Table, what: str = "the staged slates are not sound and will not be published"
) -> None:
    """Raise ContractError that lists the faults, after what is wrong with them, unless no unit has any."""
    wrong = counts.group_by("fault").aggregate([("id_count", "sum"), ("id_min", "min")])
    if wrong.num_rows:
        lines = [
            f"  {w['fault']}: {w['id_count_sum']} rows, such as {w['id_min_min']}"
            for w in wrong.slice(0, _SHOWN).to_pylist()
        ]
        raise ContractError(f"{what}:\n" + "\n".join(lines))
