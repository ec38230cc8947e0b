import pytest

from nightslate.core.arrays import CHUNK_BYTES, row_chunks


@pytest.mark.parametrize("bytes_per_row", [0, 1, CHUNK_BYTES // 3, CHUNK_BYTES, 5 * CHUNK_BYTES])
@pytest.mark.parametrize("rows", [0, 1, 10])
def test_chunks_cover_every_row_once_and_keep_to_their_size(rows, bytes_per_row):
    chunks = list(row_chunks(rows, bytes_per_row))
    assert [row for chunk in chunks for row in range(chunk.start, chunk.stop)] == list(range(rows))
    assert all(c.stop - c.start == 1 or (c.stop - c.start) * bytes_per_row <= CHUNK_BYTES for c in chunks)
