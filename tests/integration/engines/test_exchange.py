"""Rows that go from some tasks to others, on each engine."""

import numpy as np
import pyarrow as pa
import pytest

from nightslate.errors import ContractError
from nightslate.kernels.buckets import dealt_out


def by_last_digit(numbers):
    """Rows by last digit, some of them twice, and some tables without rows."""
    rows = pa.table({"number": numbers, "text": pa.array([f"row {n}" for n in numbers], pa.string())})
    yield ("empty", 0), rows.slice(0, 0)
    for digit, mine in dealt_out(rows, np.array(numbers, dtype=np.int64) % 10):
        yield ("digit", digit), mine
    yield ("all", 0), rows
    yield ("digit", 0), rows.slice(0, 1)


ITEMS = [[], [10, 21, 31], [40], [], [55, 50, 45, 60], [71]]
SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])


def test_rows_of_a_part_come_in_the_order_of_tasks_and_of_what_each_gave(engine, tmp_path):
    with engine.exchange(by_last_digit, ITEMS, 8, tmp_path) as parts:
        found = {digit: parts["digit", digit].read(SCHEMA)["number"].to_pylist() for digit in range(10)}
        everything = parts["all", 0].read(SCHEMA)
        counts = {digit: parts["digit", digit].count for digit in range(10)}
        assert parts["empty", 0].read(SCHEMA).equals(SCHEMA.empty_table())
        assert parts["never", 7].count == parts["empty", 0].count == 0
    assert everything.to_pylist() == [{"number": n, "text": f"row {n}"} for item in ITEMS for n in item]
    by_hand = {0: [10, 10, 40, 40, 50, 60, 55, 71], 1: [21, 31, 71], 5: [55, 45]}
    assert found == {digit: by_hand.get(digit, []) for digit in range(10)}
    assert counts == {digit: len(rows) for digit, rows in found.items()}


def test_rows_go_from_some_tasks_to_others(engine, tmp_path):
    """Two exchanges, one in the other, as ingest has them; what is read outlives both."""

    def total(rows):
        return pa.table({"total": [sum(rows.read(SCHEMA)["number"].to_pylist())]})

    def doubled(rows):
        table = rows.read(SCHEMA)
        yield ("doubled", 0), pa.concat_tables([table, table])

    with engine.exchange(by_last_digit, ITEMS, 8, tmp_path) as parts:
        digits = [parts["digit", digit] for digit in range(10)]
        totals = [made["total"].to_pylist() for made in engine.run(total, digits, 10)]
        with engine.exchange(doubled, digits, 10, tmp_path) as again:
            twice = again["doubled", 0].read(SCHEMA)
    assert totals == [
        [sum(n)] for n in ([10, 10, 40, 40, 50, 60, 55, 71], [21, 31, 71], *[[]] * 3, [55, 45], *[[]] * 4)
    ]
    assert twice.num_rows == 2 * 13
    assert twice["text"].to_pylist()[:2] == ["row 10", "row 10"]


def test_nothing_of_an_exchange_outlives_it(engine, tmp_path):
    with engine.exchange(by_last_digit, ITEMS, 8, tmp_path / "new") as parts:
        assert parts["all", 0].count == 9
        assert any(path.is_file() for path in tmp_path.rglob("*"))
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(KeyError), engine.exchange(by_last_digit, ITEMS, 8, tmp_path / "new"):
        raise KeyError
    assert list((tmp_path / "new").iterdir()) == []

    def fails_late(numbers):
        yield from by_last_digit(numbers)
        if 55 in numbers:
            raise ContractError(f"no {numbers}")

    with (
        pytest.raises(ContractError, match=r"no \[55, 50"),
        engine.exchange(fails_late, ITEMS, 8, tmp_path / "new"),
    ):
        pass
    assert list((tmp_path / "new").iterdir()) == []
