"""Scores of the users of a day by a model of effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow, load
from nightslate.core.effects import EffectModel, Worth
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.features import USER
from nightslate.kernels.scoring import in_chunks

SCORES = arrow.types(load("scores").file_columns)
"""The day is added where they are stored."""


@dataclass(frozen=True)
class EffectScores:
    """How users are scored: of an issue and the salt of its experiment; by a model of these treatments, which
    sees contexts as the encoder has them; and what effects are worth."""

    issue: str
    salt: str
    treatments: Sequence[str]
    encoder: Encoder
    model: EffectModel
    worth: Worth

    def __call__(self, users: pa.Table) -> pa.Table:
        """`SCORES` of users with their contexts: of each user every treatment, in its order."""
        parts = [self._of_some(some) for some in in_chunks(users.sort_by(USER))]
        return pa.concat_tables([SCORES.empty_table(), *parts])

    def _of_some(self, users: pa.Table) -> pa.Table:
        effects = self.model.effects(self.encoder(users))
        (benefit, benefit_se), (harm, harm_se) = self.worth.columns(effects)
        rows, treatments = users.num_rows, len(self.treatments)
        told = {
            "benefit": benefit,
            "benefit_stderr": benefit_se,
            "harm": harm,
            "harm_stderr": harm_se,
            "score": self.worth.score(effects),
        }
        columns = {
            "issue": pa.repeat(self.issue, rows * treatments),
            "experiment": pa.repeat(self.salt, rows * treatments),
            USER: users[USER].combine_chunks().take(pa.array(np.repeat(np.arange(rows), treatments))),
            "variant": pa.array([*self.treatments] * rows, pa.string()),
            **{name: pa.array(values.ravel()) for name, values in told.items()},
        }
        return pa.table([columns[name] for name in SCORES.names], schema=SCORES)
