"""Context columns as vectors, and named arrays as bytes."""

import json
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.npz import pack, unpack
from nightslate.kernels.encoding import MAX_CATEGORIES, ByArm, Encoder, Intervals, crossed, most_frequent

ENCODER = Encoder(("colour", "age", "country"), (("blue", "red"), None, ("ch",)))


def rows(colour, age, country):
    return pa.table(
        {
            "country": pa.array(country, pa.string()),
            "colour": pa.array(colour, pa.string()),
            "age": pa.array(age, pa.float64()),
        }
    )


def test_a_vector_is_a_constant_then_the_features_in_order():
    vectors = ENCODER(rows(["red", "blue", "green", None], [30.0, -1.5, None, 0.0], ["ch", "de", None, "ch"]))
    assert vectors.tolist() == [
        [1.0, 0.0, 1.0, 30.0, 1.0],
        [1.0, 1.0, 0.0, -1.5, 0.0],
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0, 1.0],
    ]
    assert vectors.shape[1] == ENCODER.width


def test_no_rows_and_no_features():
    assert ENCODER(rows([], [], [])).shape == (0, 5)
    assert Encoder((), ())(rows(["red"], [1.0], ["ch"])).tolist() == [[1.0]]


def test_chunks_of_a_column_make_no_difference():
    one, two = rows(["red"], [1.0], ["ch"]), rows(["blue"], [2.0], ["de"])
    together = ENCODER(pa.concat_tables([one, two]))
    assert together.tolist() == [*ENCODER(one).tolist(), *ENCODER(two).tolist()]


def test_rows_of_one_vector_share_it_unless_they_are_told_apart():
    colours, ages = ["red", "blue", "green", "red", None, "blue"], [1.0, None, 2.0, 1.0, 2.0, 0.0]
    some = rows(colours, ages, ["ch"] * 6)
    first, vector_of = ENCODER.distinct(some)
    assert first.tolist() == [0, 1, 2]
    assert vector_of.tolist() == [0, 1, 2, 0, 2, 1]
    assert ENCODER(some.take(pa.array(first)))[vector_of].tolist() == ENCODER(some).tolist()
    first, vector_of = ENCODER.distinct(some, apart=np.array([7, 0, 0, 0, 0, 0]))
    assert (first.tolist(), vector_of.tolist()) == ([0, 1, 2, 3], [0, 1, 2, 3, 2, 1])
    for encoder in (ENCODER, Encoder((), ())):
        assert [found.tolist() for found in encoder.distinct(rows([], [], []))] == [[], []]
    first, vector_of = Encoder((), ()).distinct(some, apart=np.array([5, 3, 5, 3, 5, 5]))
    assert (first.tolist(), vector_of.tolist()) == ([0, 1], [0, 1, 0, 1, 0, 0])


def test_codes_are_encoded_as_the_texts_that_they_stand_for():
    texts = rows(["red", None, "green", "blue"], [1.0, 2.0, 3.0, 4.0], ["ch", "de", None, "ch"])
    kinds = {
        "country": pa.dictionary(pa.int32(), pa.string()),
        "colour": pa.dictionary(pa.int32(), pa.string()),
    }
    coded = texts.cast(pa.schema([(name, kinds.get(name, pa.float64())) for name in texts.column_names]))
    in_chunks = pa.concat_tables([coded.slice(2), coded.slice(0, 2)])
    assert ENCODER(in_chunks).tolist() == ENCODER(texts.take(pa.array([2, 3, 0, 1]))).tolist()


def test_a_feature_that_nobody_has_a_value_of_has_no_place():
    encoder = Encoder(("colour", "age"), ((), None))
    assert encoder(rows(["red"], [2.0], [None])).tolist() == [[1.0, 2.0]]
    assert Encoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


def test_an_encoder_survives_its_file():
    assert Encoder.from_json(json.loads(json.dumps(ENCODER.to_json()))) == ENCODER


BY_AGE = Encoder(("country", "age", "colour"), (("ch",), Intervals((7.0, 30.0)), ("blue", "red")))


def test_a_number_with_boundaries_is_a_category_of_intervals():
    """A boundary belongs to the interval that it begins; what is missing is in none."""
    ages = [-1e300, 6.999, 7.0, 29.0, 30.0, 1e300, None, float("nan")]
    vectors = BY_AGE(rows([None] * 8, ages, [None] * 8))
    assert vectors[:, BY_AGE.slices["age"]].argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    assert vectors.sum(axis=1).tolist() == [2.0] * 6 + [1.0, 1.0]
    assert vectors.shape[1] == BY_AGE.width


def test_each_feature_has_its_slice():
    assert BY_AGE.slices == {"country": slice(1, 2), "age": slice(2, 5), "colour": slice(5, 7)}
    assert BY_AGE.width == 7


def test_an_encoder_with_boundaries_survives_its_file():
    assert Encoder.from_json(json.loads(json.dumps(BY_AGE.to_json()))) == BY_AGE


def test_what_is_crossed_are_the_slices_of_both_features_and_all_constants():
    arms = Encoder(("topic", "length"), (("debt", "saving"), Intervals((2.0,))))
    found = crossed(BY_AGE, arms, [("age", "topic"), ("country", "length")])
    assert found.astype(int).tolist() == [
        [1, 1, 1, 1, 1],
        [1, 0, 0, 1, 1],  # country
        [1, 1, 1, 0, 0],  # age, three intervals
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 0, 0],  # colour, by itself
        [1, 0, 0, 0, 0],
    ]
    assert crossed(BY_AGE, arms, []).sum() == 7 + 5 - 1


def test_the_most_frequent_values_have_places_and_ties_go_by_value():
    assert most_frequent({"b": 1, "a": 1, "c": 9}) == ("a", "b", "c")
    many = {f"{n:03}": 1 for n in range(MAX_CATEGORIES + 20)} | {"zebra": 2}
    kept = most_frequent(many)
    assert len(kept) == MAX_CATEGORIES
    assert kept == (*(f"{n:03}" for n in range(MAX_CATEGORIES - 1)), "zebra")
    assert most_frequent(dict(reversed(many.items()))) == kept


def test_packed_arrays_come_back_and_equal_ones_are_equal_bytes():
    arrays = {"b": np.arange(6.0).reshape(2, 3), "a": np.array(["é", "x"]), "c": np.asarray(2**63, np.uint64)}
    packed = pack(arrays)
    assert packed == pack(dict(reversed(arrays.items())))
    found = unpack(packed)
    assert sorted(found) == ["a", "b", "c"]
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_objects_are_neither_packed_nor_unpacked():
    objects = np.array([{"not": "a number"}], dtype=object)
    with pytest.raises(ValueError, match="pickle"):
        pack({"a": objects})
    archive = BytesIO()
    np.savez(archive, a=objects)
    with pytest.raises(ValueError, match="pickle"):
        unpack(archive.getvalue())


ARMS = pa.table({"arm_id": ["a", "b", "c", "d"], "topic": ["x", "y", "x", None]})
SEEN = pa.chunked_array(
    [[[("x", 2.0)], None], [[], [("gone", 5.0), ("y", 3.0)]]], pa.map_(pa.string(), pa.float64())
)
BY_ARM = Encoder(("age", "seen"), (None, ByArm("topic", ("x", "y"), 0.5)))


def test_features_by_arm_have_a_place_for_each_value_and_one_for_arms_that_have_none():
    rows = pa.table({"age": [1.0, 2.0, 3.0, 4.0], "seen": SEEN})
    vectors = BY_ARM(rows)
    assert vectors[:, :2].tolist() == [[1, 1], [1, 2], [1, 3], [1, 4]]
    assert vectors[:, 2:].tolist() == [[2, 0.5, 0.5], [0.5] * 3, [0.5] * 3, [0.5, 3, 0.5]]
    assert BY_ARM(rows.slice(3))[0].tolist() == vectors[3].tolist()
    assert Encoder.from_json(json.loads(json.dumps(BY_ARM.to_json()))) == BY_ARM


def test_beside_an_arm_stands_the_number_of_its_value():
    rows = pa.table({"age": [1.0, 2.0, 3.0, 4.0], "seen": SEEN})
    beside = BY_ARM.beside(ARMS)
    seen = [beside(BY_ARM(rows), np.full(4, arm))[:, 2].tolist() for arm in range(4)]
    assert seen == [[2, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 3], [2, 0.5, 0.5, 0.5], [0.5] * 4]
    assert Encoder(("age",), (None,)).beside(ARMS) is None


def test_vectors_that_differ_in_what_is_about_an_arm_are_distinct():
    rows = pa.table({"age": [1.0] * 4, "seen": SEEN})
    first, alike = BY_ARM.distinct(rows)
    assert (first.tolist(), alike.tolist()) == ([0, 1, 3], [0, 1, 1, 2])


def test_crosses_name_features_by_arm_once():
    found = crossed(BY_ARM.of_one_arm(), Encoder(("format",), (("long", "short"),)), [("seen", "format")])
    assert found.tolist() == [[True] * 3, [True, False, False], [True] * 3]


def test_what_is_ignored_is_beside_no_arm():
    rows = pa.table({"age": [1.0, 2.0, 3.0, 4.0], "seen": SEEN})
    without_age, without_seen = (BY_ARM.beside(ARMS, [name]) for name in ("age", "seen"))
    assert without_age(BY_ARM(rows), np.zeros(4, np.int64)).tolist() == [[1, 2], [1, 0.5], [1, 0.5], [1, 0.5]]
    assert without_seen(BY_ARM(rows), np.zeros(4, np.int64)).tolist() == [[1, 1], [1, 2], [1, 3], [1, 4]]
    assert BY_ARM.of_one_arm(["age"]) == Encoder(("seen",), (None,))


IN_PARTS = Encoder(("age", "seen"), (None, ByArm("topic", ("x", "y"), 0.5, (1.0, 3.0))))


def test_the_number_of_each_arm_may_be_a_category_of_intervals():
    rows = pa.table({"age": [1.0, 2.0, 3.0, 4.0], "seen": SEEN})
    low, middle, high = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    vectors = IN_PARTS(rows)
    assert vectors[:, IN_PARTS.slices["seen"]].tolist() == [
        [*middle, *low, *low],
        [*low, *low, *low],
        [*low, *low, *low],
        [*low, *high, *low],
    ]
    assert IN_PARTS.width == vectors.shape[1]
    assert Encoder.from_json(json.loads(json.dumps(IN_PARTS.to_json()))) == IN_PARTS
    first, vector_of = IN_PARTS.distinct(rows.set_column(0, "age", pa.chunked_array([[1.0] * 4])))
    assert (first.tolist(), vector_of.tolist()) == ([0, 1, 3], [0, 1, 1, 2])
    beside = IN_PARTS.beside(ARMS)
    assert [beside(vectors, np.full(4, arm))[0, 2:].tolist() for arm in range(4)] == [
        middle,
        low,
        middle,
        low,
    ]


def test_intervals_of_an_arm_interact_as_those_of_users_do():
    arms = Encoder(("length",), (None,))
    found = crossed(IN_PARTS.of_one_arm(), arms, [("seen", "length")])
    assert found.astype(int).tolist() == [[1, 1], [1, 0], [1, 1], [1, 1], [1, 1]]
    assert IN_PARTS.of_one_arm() == Encoder(("age", "seen"), (None, Intervals((1.0, 3.0))))
