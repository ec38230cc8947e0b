"""Named arrays as bytes: how states travel from workers to the driver, and policies into files. No pickle."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import numpy as np

from nightslate.core.arrays import AnyArray


def pack(arrays: Mapping[str, AnyArray]) -> bytes:
    """An npz archive. Equal arrays give equal bytes."""
    archive = BytesIO()
    np.savez(archive, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
    return archive.getvalue()


def unpack(archive: bytes) -> dict[str, AnyArray]:
    """The arrays of `pack`. Raises ValueError on anything that would need pickle."""
    with np.load(BytesIO(archive), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
