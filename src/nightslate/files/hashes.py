"""Keys of texts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nightslate.core.arrays import Keys, row_chunks
from nightslate.core.hashing import mix

_WORD = 8


def text_keys(texts: pa.ChunkedArray) -> Keys:
    """(n,) a hash of each text, eight bytes at a time; a text has the same one wherever it stands."""
    return np.concatenate([np.empty(0, np.uint64), *map(_keys, texts.chunks)])


def _keys(texts: pa.StringArray) -> Keys:
    if not len(texts):
        return np.empty(0, np.uint64)
    binary = pc.cast(texts, pa.large_binary())
    offsets = np.frombuffer(binary.buffers()[1], np.int64)[binary.offset : binary.offset + len(binary) + 1]
    content = np.frombuffer(binary.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    begins, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    shortest, longest = int(lengths.min()), int(lengths.max())
    whole = shortest - shortest % _WORD
    words = _words(content if whole == longest else np.append(content, np.zeros(_WORD, np.uint8)))
    hashes = mix(lengths.astype(np.uint64), 0)
    for chunk in row_chunks(len(binary), 8 * _WORD * 3):
        for begin in range(0, whole, _WORD):
            first = begins[chunk] + begin
            evenly = slice(first[0], first[-1] + 1, longest)  # which is faster to look up
            hashes[chunk] = mix(hashes[chunk], words[evenly if shortest == longest else first])
        for begin in range(whole, longest, _WORD):
            longer = np.flatnonzero(lengths[chunk] > begin) + chunk.start
            past = np.maximum(begin + _WORD - lengths[longer], 0).astype(np.uint64) * np.uint64(8)
            word = words[begins[longer] + begin] & (np.uint64(2**64 - 1) >> past)
            hashes[longer] = mix(hashes[longer], word)
    return hashes


def _words(content: NDArray[np.uint8]) -> Keys:
    """The eight bytes from each byte on."""
    return np.ndarray(max(content.size - _WORD + 1, 0), "<u8", content, strides=(1,))
