"""Where texts stand among many known ones. Arrow has that too, but builds its index anew for each call, and
goes from text to text, each of which waits for memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints, Keys
from nightslate.files.hashes import text_keys


@dataclass(frozen=True)
class TextIndex:
    """keys (n,): of the known texts, in order; places (n,): of these among the texts; ends: where in `keys`
    those end that begin with the same bits, by these bits, from -1 on."""

    texts: pa.StringArray
    keys: Keys
    places: Ints
    ends: Ints
    shift: np.uint64

    @classmethod
    def of(cls, texts: pa.StringArray, keys: Keys) -> Self:
        """Texts, each once, and their keys."""
        # Two to four times as many beginnings as there are keys: most have one or none.
        bits = len(texts).bit_length() + 1
        shift, places = np.uint64(64 - bits), np.argsort(keys)
        counts = np.bincount((keys >> shift).astype(np.int64) + 1, minlength=(1 << bits) + 1)
        return cls(texts, keys[places], places.astype(np.int32), np.cumsum(counts, dtype=np.int32), shift)

    def find(self, texts: pa.StringArray) -> Ints:
        """(m,) the place of each among those that are known; -1 for others."""
        keys, found = text_keys(pa.chunked_array([texts])), np.full(len(texts), -1)
        first = (keys >> self.shift).astype(np.int64)
        at, end = self.ends[first], self.ends[first + 1]
        rows = np.flatnonzero(at < end)
        at, end = at[rows], end[rows]
        while rows.size:
            same = np.flatnonzero(self.keys[at] == keys[rows])
            places = self.places[at[same]]
            equal = np.asarray(pc.equal(texts.take(pa.array(rows[same])), self.texts.take(pa.array(places))))
            found[rows[same[equal]]] = places[equal]
            at += 1
            left = (at < end) & (found[rows] < 0)
            rows, at, end = rows[left], at[left], end[left]
        return found
