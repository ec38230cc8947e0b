"""What an estimator sees of pairs of a context and an arm."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, row_chunks
from nightslate.core.policies.learner import Arms


@dataclass(frozen=True, eq=False)
class Pairs:
    """columns (A, f): what an estimator knows each arm by. crosses (2, p): which features of a context are
    multiplied by which of these."""

    columns: Floats
    crosses: Ints

    @classmethod
    def of(cls, arms: Arms, n_features: int) -> Self:
        """Of an arm its features but for the constant, and a column for each arm in the order of keys, which
        is 1 for that arm and 0 for the others. Of crosses those that are named, less the constants: trees
        find by themselves what interacts, so none where none is named."""
        place = np.argsort(np.argsort(arms.keys))
        columns = np.hstack([arms.features[:, 1:], np.eye(place.size)[place]])
        if arms.crossed is None:
            return cls(columns, np.zeros((2, 0), dtype=np.int64))
        context, column = np.nonzero(arms.interactions(n_features)[1:, 1:])
        return cls(columns, np.stack([context + 1, column]))

    def design(self, contexts: Floats, arms: Ints) -> Floats:
        """(n, d), (n,) -> (n, d + f + p): each context with its arm."""
        return self._design(contexts, self.columns[arms])

    def predicted(
        self, predict: Callable[[Floats], Floats], contexts: Floats, beside: Ints | None = None
    ) -> Floats:
        """(n, d) -> (n, A): what a model of designs (m, d + f + p) -> (m,) expects of each context with each
        arm. beside (A, d): which places of wider contexts make up the context of each arm; None: all of
        them."""
        features = contexts.shape[1] if beside is None else beside.shape[1]
        arms, width = len(self.columns), features + self.columns.shape[1] + self.crosses.shape[1]
        expected = np.empty((len(contexts), arms))
        for chunk in row_chunks(len(contexts), bytes_per_row=8 * arms * width):
            of_pairs = contexts[chunk, None] if beside is None else contexts[chunk][:, beside]
            design = self._design(of_pairs, self.columns[None]).reshape(-1, width)
            expected[chunk] = predict(design).reshape(-1, arms)
        return expected

    def _design(self, contexts: Floats, columns: Floats) -> Floats:
        parts = contexts, columns, contexts[..., self.crosses[0]] * columns[..., self.crosses[1]]
        pairs = parts[-1].shape[:-1]
        return np.concatenate([np.broadcast_to(part, (*pairs, part.shape[-1])) for part in parts], axis=-1)
