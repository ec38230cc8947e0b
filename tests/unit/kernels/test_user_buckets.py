"""Users in buckets, and rows dealt out to parts."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.buckets import buckets_of, dealt_out, text_keys, user_keys

TEXTS = [
    "a",
    "b",
    "ab",
    "ba",
    "aa",
    "",
    None,
    "ä",
    "aaa",
    "b",
    None,
    "",
    "a\0",
    "a",
    "longer than the others",
]


def user(number):
    return hashlib.sha256(f"user {number}".encode()).hexdigest()[:32]


def ways(values):
    """The same texts, in arrays that lie differently in memory."""
    padded = pa.array(["x", None, "xyz", *values, "y"], pa.string())
    yield pa.array(values, pa.string())
    yield padded.slice(3, len(values))
    for width in (1, 2, 4):
        chunks = [values[at : at + width] for at in range(0, len(values), width)]
        yield pa.chunked_array(chunks, pa.string()).combine_chunks()
    yield pa.array(values, pa.string()).take(pa.array(range(len(values))))


@pytest.mark.parametrize("buckets", [1, 2, 7, 64, 1000])
def test_the_bucket_of_a_user_is_that_of_the_first_32_bits(buckets):
    ids = ["00000000" + "f" * 24, "ffffffff" + "0" * 24, "80000001" + "a" * 24, "0000000b" + "5" * 24]
    ids += map(user, range(50))
    rows = pa.table({"user_id": ids})
    assert buckets_of(rows, buckets).tolist() == [int(one[:8], 16) % buckets for one in ids]
    in_chunks = pa.table({"user_id": pa.chunked_array([ids[:3], [], ids[3:]], pa.string())})
    assert buckets_of(in_chunks.slice(1), buckets).tolist() == buckets_of(rows, buckets).tolist()[1:]


def test_rows_without_users_are_in_the_first_bucket():
    assert buckets_of(pa.table({"arm_id": ["a", "b"]}), 7).tolist() == [0, 0]
    nobody = pa.table({"user_id": pa.array([], pa.string())})
    assert buckets_of(nobody, 7).tolist() == user_keys(nobody).tolist() == []


def test_the_key_of_a_user_is_the_first_64_bits():
    ids = [user(number) for number in range(20)]
    keys = user_keys(pa.table({"user_id": ids}))
    assert keys.tolist() == [int(one[:16], 16) for one in ids]


def test_parts_have_their_rows_in_the_order_that_these_had():
    dice = np.random.default_rng(5)
    part_of = dice.integers(0, 6, 200) * 3
    rows = pa.table({"number": range(200), "text": [f"row {n}" for n in range(200)]})
    parts = list(dealt_out(rows, part_of))
    assert [part for part, _ in parts] == sorted({*part_of.tolist()})
    for part, mine in parts:
        numbers = np.flatnonzero(part_of == part).tolist()
        assert mine.to_pydict() == {"number": numbers, "text": [f"row {n}" for n in numbers]}
        assert mine.schema == rows.schema


def test_no_rows_are_no_parts():
    assert list(dealt_out(pa.table({"number": pa.array([], pa.int64())}), np.empty(0, np.int64))) == []


@pytest.mark.parametrize("place", range(6))
def test_equal_texts_have_equal_keys_however_they_lie_in_memory(place):
    keys = text_keys(list(ways(TEXTS))[place])
    assert keys.dtype == np.uint64
    assert keys.tolist() == text_keys(pa.array(TEXTS)).tolist()
    assert keys.tolist()[1] == keys.tolist()[9]
    assert keys.tolist()[0] == keys.tolist()[13]


def test_a_text_has_its_key_whatever_stands_beside_it():
    alone = [text_keys(pa.array([text], pa.string()))[0] for text in TEXTS]
    assert text_keys(pa.array(TEXTS)).tolist() == alone
    assert text_keys(pa.array(TEXTS[::-1])).tolist() == alone[::-1]


def test_nulls_and_empty_texts_have_keys_too_also_where_there_is_nothing_else():
    assert text_keys(pa.array([], pa.string())).tolist() == []
    for texts in ([None], ["", None], [None, None, ""]):
        (key,) = set(text_keys(pa.array(texts, pa.string())).tolist())
        assert key == text_keys(pa.array(["a", None]))[1]


def test_texts_are_dealt_out_evenly_also_where_they_are_alike():
    texts = [f"2026-11-16-{number:06d}" for number in range(20_000)]
    keys = text_keys(pa.array(texts))
    assert np.unique(keys).size == len(texts)
    counts = np.bincount((keys % np.uint64(16)).astype(np.int64), minlength=16)
    assert np.abs(counts - 1250).max() < 5 * np.sqrt(1250)
