"""What users do not agree to is null, of whichever type it is."""

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from nightslate.kernels.consents import Consents, as_agreed, as_not_refused

NEEDS = {"place": "consent_location", "visits": "consent_location", "age": "consent_profile"}
ANSWERS = (True, False, None)
ONE, TWO = date(2026, 3, 1), date(2026, 3, 2)


def rows(**more: list[Any]) -> pa.Table:
    """A user for each pair of answers."""
    located, profiled = zip(*((one, other) for one in ANSWERS for other in ANSWERS), strict=True)
    number = range(len(located))
    columns = {
        "user_id": pa.array([f"u{each}" for each in number]),
        "place": pa.array([f"p{each}" for each in number]).dictionary_encode(),
        "visits": pa.array([[("a", 1.0)] for _ in number], pa.map_(pa.string(), pa.float64())),
        "age": pa.array([float(each) for each in number]),
        "plan": pa.array(["free" for _ in number]),
        "consent_location": pa.array(located, pa.bool_()),
        "consent_profile": pa.array(profiled, pa.bool_()),
    }
    return pa.table({**columns, **more})


def users(*said: tuple[str, date, bool | None, bool | None]) -> pa.Table:
    names = ("user_id", "ds", "consent_location", "consent_profile")
    kinds = (pa.string(), pa.date32(), pa.bool_(), pa.bool_())
    columns = zip(*said, strict=True) if said else ([] for _ in names)
    return pa.table(
        [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)], names
    )


def there(table: pa.Table, column: str) -> list[bool]:
    return table[column].is_valid().to_pylist()


@pytest.mark.parametrize(("agreed", "counts"), [(as_agreed, (True,)), (as_not_refused, (True, None))])
def test_a_value_stays_where_its_own_consent_lets_it(agreed: Any, counts: tuple[bool | None, ...]) -> None:
    given = rows()
    found = agreed(given, NEEDS)
    assert found.schema == given.schema
    for name, consent in NEEDS.items():
        assert there(found, name) == [said in counts for said in given[consent].to_pylist()]
    others = ["user_id", "plan", "consent_location", "consent_profile"]
    assert found.select(others) == given.select(others)


def test_the_newest_row_of_a_user_counts_and_of_one_day_all_have_to_agree() -> None:
    said = users(
        ("u0", ONE, False, True), ("u0", TWO, True, None), ("u1", TWO, True, True), ("u1", TWO, False, True),
        ("u2", ONE, True, False),
    )  # fmt: skip
    newest = Consents.of(NEEDS, said).newest.sort_by("user_id").to_pylist()
    assert [(row["consent_location"], row["consent_profile"]) for row in newest] == [
        (True, False),
        (False, True),
        (True, False),
    ]


def test_a_row_of_a_log_speaks_for_itself_and_else_its_user_does() -> None:
    given = rows()
    found = Consents.of(NEEDS, users(*((f"u{n}", ONE, n % 2 == 0, True) for n in range(8)))).decided(given)
    asked = [n % 2 == 0 if n < 8 else None for n in range(9)]
    expected = [
        said if said is not None else user
        for said, user in zip(given["consent_location"].to_pylist(), asked, strict=True)
    ]
    assert found["consent_location"].to_pylist() == expected
    assert there(found, "place") == there(found, "visits") == [said is True for said in expected]
    assert there(found, "age")[8] is False  # nobody has said anything of the last one


def test_whoever_has_said_nothing_since_has_not_withdrawn() -> None:
    consents = Consents.of(
        {"place": "consent_location"}, users(("u1", ONE, False, True), ("u2", ONE, True, None))
    )
    found = consents.withdrawn(rows().select(["user_id", "place"]))
    assert there(found, "place") == [True, False, *([True] * 7)]
    assert consents.refusing()["user_id"].to_pylist() == ["u1"]


def test_of_nobody_nothing_is_known() -> None:
    nobody = Consents.of(NEEDS, users())
    assert nobody.refusing().num_rows == 0
    assert there(nobody.decided(rows()), "age") == [said is True for _ in ANSWERS for said in ANSWERS]
    assert nobody.withdrawn(rows()) == rows()
