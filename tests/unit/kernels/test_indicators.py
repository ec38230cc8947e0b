"""What a declared rule looks at, against each row read for itself in plain Python."""

import json
import operator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.kernels.encoding import Encoder, Intervals
from nightslate.kernels.indicators import Indicators, encoder_from_json
from nightslate.programs.conditions import Both, Comparison, Either, Not, parse

TYPES = {"age": "number", "plan": "category", "unasked": "number"}
COMPARED = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le}
COMPARED |= {
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
}

comparisons = st.one_of(
    st.tuples(st.just("age"), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.sampled_from("012")),
    st.tuples(st.just("age"), st.sampled_from(["in", "not in"]), st.sampled_from(["[0, 1]", "[-1, 2.5]"])),
    st.tuples(st.just("plan"), st.sampled_from(["==", "!="]), st.sampled_from(["pro", "'18-25'", "none"])),
    st.tuples(st.just("plan"), st.sampled_from(["in", "not in"]), st.just("[pro, 'x y']")),
).map(" ".join)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"not ({part})"),
    ),
    max_leaves=6,
)
rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from([-1.0, 0.0, 1.0, 2.0, 2.5, float(np.nextafter(1.0, 2.0))]),
        st.none() | st.sampled_from(["pro", "18-25", "x y", "free"]),
    ),
    max_size=12,
)


def holds(condition, row):
    """As SQL has it: None where a value is missing that would decide it."""
    match condition:
        case Comparison(column, how, value):
            return None if row[column] is None else COMPARED[how](row[column], value)
        case Not(part):
            found = holds(part, row)
            return None if found is None else not found
        case Both(parts):
            found = [holds(part, row) for part in parts]
            return False if False in found else None if None in found else True
        case Either(parts):
            found = [holds(part, row) for part in parts]
            return True if True in found else None if None in found else False


def table(rows, coded=False):
    ages, plans = ([row[place] for row in rows] for place in (0, 1))
    texts = pa.array(plans, pa.string())
    return pa.table(
        {"age": pa.array(ages, pa.float64()), "plan": texts.dictionary_encode() if coded else texts}
    )


@pytest.mark.parametrize("coded", [False, True])
@settings(deadline=None)
@given(st.lists(st.none() | conditions, min_size=1, max_size=3), rows)
def test_a_condition_is_1_where_it_holds_for_sure(coded, texts, rows):
    encoder = encoder_from_json(json.loads(json.dumps(Indicators(tuple(texts), TYPES).to_json())))
    found = encoder(table(rows, coded))
    wanted = [
        [
            float(text is None or holds(parse(text, TYPES), {"age": age, "plan": plan}) is True)
            for text in texts
        ]
        for age, plan in rows
    ]
    assert found.shape == (len(rows), len(texts))
    assert found.tolist() == wanted
    first, alike = encoder.distinct(table(rows, coded))
    assert (found[first][alike] == found).all()
    assert len({*map(tuple, wanted)}) == len(first)


def test_it_names_the_columns_that_it_looks_at():
    some = Indicators(("plan == pro and (age > 1 or plan == free)", None, "age < 3"), TYPES)
    assert some.features == ("plan", "age")
    assert some.to_json()["types"] == {"plan": "category", "age": "number"}
    assert encoder_from_json(some.to_json()) == Indicators(some.conditions, some.to_json()["types"])


def test_encoders_of_learners_come_back_as_ever():
    encoder = Encoder(("plan", "age"), (("free", "pro"), Intervals((1.0,))))
    assert encoder_from_json(json.loads(json.dumps(encoder.to_json()))) == encoder
