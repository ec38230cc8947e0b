"""A message is one record, whatever its bytes, and belongs to one day, whatever came with it."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.landing.messages import DAYS_AFTER, DAYS_BEFORE, days, line
from nightslate.records.json_lines import is_object, read_json_lines

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
STAMP = int(NOON.timestamp() * 1000)

VALUES = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.sampled_from(
        [b"\xef\xbb\xbf{}", b"\xff\xfe{}", b" ", b'{"a": 1}\n{"a": 2}', b'{"a":\r\n 1}', b"{}", b"[1]"]
    ),
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=3).map(
        lambda found: json.dumps(found, indent=1).encode()
    ),
)


def at(when: str) -> bytes:
    return json.dumps({"outcome_id": "o", "occurred_at": when}).encode()


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_every_message_is_one_record_of_its_file(values):
    block = b"".join(line(value) + b"\n" for value in values)
    numbers = []
    for chunk in read_json_lines(iter([block])):
        numbers += [*chunk.numbers.tolist(), *(record.number for record in chunk.unreadable)]
    assert sorted(numbers) == list(range(1, len(values) + 1))


@given(VALUES)
def test_what_is_no_object_never_becomes_a_row_and_an_object_keeps_its_values(value):
    def strict(text):
        try:
            found = json.loads(text.decode())
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    assert strict(line(value)) == (strict(value) if value is not None else None)


@given(st.binary(max_size=40))
def test_the_bytes_of_a_message_that_is_no_object_can_be_had_again(value):
    found = line(value)
    if found != value and not is_object(value):
        assert json.loads(found).encode("latin-1") == value


@pytest.mark.parametrize("value", [b'{"a": 1}', b"no JSON", b"\x00\x80", b'{"a": 1} ', b"null"])
def test_what_is_one_line_lands_as_it_came(value):
    assert line(value) == value


def test_a_tombstone_is_null():
    assert line(None) == b"null"


DAY = NOON.date()


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (at("2024-02-20T23:59:59Z"), date(2024, 2, 20)),
        (at("2024-03-02T01:00:00+02:00"), date(2024, 3, 1)),
        (at("2024-03-02T00:00:01Z"), date(2024, 3, 2)),
        (at("2024-03-01T08:00:00"), DAY),  # no zone: quarantine says so
        (at("1970-01-01T00:00:00Z"), DAY),
        (at("2031-01-01T00:00:00Z"), DAY),
        (at("0000-01-01T00:00:00Z"), DAY),
        (at("2024-02-30T00:00:00Z"), DAY),
        (b'{"occurred_at": 1709251200}', DAY),
        (b'{"occurred_at": {"at": "2024-02-20T00:00:00Z"}}', DAY),
        (b'{"occurred_at": null}', DAY),
        (b'{"occurred_at": "2024-02-20T00:00:00Z", "occurred_at": "2024-02-21T00:00:00Z"}', DAY),
        (b"{}", DAY),
        (b"no JSON", DAY),
    ],
)
def test_the_day_is_that_of_the_event_where_it_tells_one_and_else_of_the_message(value, day):
    others = [at("2024-02-28T00:00:00Z"), value, b'{"kind": 1}', b"[]"]
    assert days([value], [STAMP], by_event=True) == [day]
    assert days(others, [STAMP] * 4, by_event=True) == [date(2024, 2, 28), day, DAY, DAY]
    assert days([value], [STAMP], by_event=False) == [DAY]


@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    at(when)
                    for when in ("2024-02-20T23:59:59Z", "2024-02-21T00:00:00.5+01:00", "2024-02-22", "")
                ),
                *(
                    b'{"occurred_at": ' + value + b"}"
                    for value in (b"1", b"1e300", b"null", b"{}", b"[]", b"true")
                ),
                *(
                    b"{}",
                    b"[]",
                    b"\x80",
                    b'{"a": "\\ud800"}',
                    b'{"occurred_at": "2024-02-20T00:00:00Z", "a": 1} ',
                ),
                b'{"occurred_at": "2024-02-20T00:00:00Z", "occurred_at": "2024-02-21T00:00:00Z"}',
            ]
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_day_does_not_depend_on_what_else_is_in_the_batch(values):
    alone = [days([value], [STAMP], by_event=True)[0] for value in values]
    assert days(values, [STAMP] * len(values), by_event=True) == alone


def test_how_far_an_event_may_be_from_its_message():
    for distance, near in ((-DAYS_BEFORE, 1), (-DAYS_BEFORE - 1, 0), (DAYS_AFTER, 1), (DAYS_AFTER + 1, 0)):
        event = NOON + timedelta(days=distance)
        expected = event.date() if near else DAY
        assert days([at(event.isoformat())], [STAMP], by_event=True) == [expected]


@pytest.mark.parametrize("stamp", [-1, 10**15, 2**62])
def test_a_message_whose_own_time_is_none_has_that_of_its_event(stamp):
    assert days([at("2024-02-20T23:59:59Z")], [stamp], by_event=True) == [date(2024, 2, 20)]
    (found,) = days([b"no JSON"], [stamp], by_event=True)
    assert found in (date(1970, 1, 1), date(2199, 12, 31))
