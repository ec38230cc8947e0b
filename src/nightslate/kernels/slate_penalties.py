"""The diversity penalties of slates, and the groups that they are of, as numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats, Ints
from nightslate.kernels.lists import codes


def penalties(rows: pa.Table, arms: int) -> tuple[Floats, Ints]:
    """(n,) what an arm before does to the others of its group, 1 without a penalty; (n, arms) the group of
    each candidate, -1 for none."""
    penalised = rows["penalty"].is_valid().to_numpy()
    names = pc.unique(pc.list_flatten(rows["groups"])).drop_null()
    groups = np.full((len(penalised), arms), -1)
    groups[penalised] = codes(rows["groups"].filter(pa.array(penalised)), names)
    groups[groups == len(names)] = -1
    return pc.fill_null(rows["penalty"], 1.0).to_numpy(), groups
