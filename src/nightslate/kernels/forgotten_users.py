"""Rows of users who asked to be forgotten, and land again all the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.records.values import mask

FORGOTTEN = "forgotten"
"""The reason under which their rows are rejected; nothing of what these say is kept."""


@dataclass(frozen=True)
class ForgottenUsers:
    """tags: what is kept of them, see `Pseudonymiser.tags`."""

    pseudonymise: Pseudonymiser
    tags: frozenset[str]

    def among(self, pseudonyms: pa.Array) -> Bools:
        """(n,) whose pseudonyms are theirs."""
        if not self.tags:
            return np.zeros(len(pseudonyms), dtype=np.bool_)
        return mask(pc.is_in(self.pseudonymise.tags(pseudonyms), pa.array(sorted(self.tags), pa.string())))
