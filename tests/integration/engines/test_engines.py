"""What each engine does with units of work, which is the same to the last bit: a kernel's rows, merged
states, and files of tables."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.oracles.attribution import Terms
from tests.unit.kernels.histories import (
    HOUR,
    START,
    attributor,
    done,
    impressions_table,
    outcomes_table,
    shown,
)

from nightslate.contracts import Column, Contract
from nightslate.engines import Input, LocalEngine, Work
from nightslate.errors import ContractError, DamageError
from nightslate.kernels.attribution import CREDITS
from nightslate.kernels.buckets import buckets_of
from nightslate.tables import Warehouse
from nightslate.tables.files import Filter

from .stored import stored

DS = START.date()
DAYS = (DS - timedelta(days=1), DS)
HOW = attributor(Terms(rule="linear", window=10 * HOUR))
COUNTS = pa.schema([("table", pa.string()), ("ds", pa.date32()), ("rows", pa.int64())])
ALONE = LocalEngine(processes=1)
"""What every engine is held against."""


def histories(people=40):
    """Impressions on two days and outcomes of the second, for users that are pseudonyms."""
    ids = [f"{n * 2654435761 % 2**32:08x}" + "0" * 24 for n in range(people)]
    impressions = [
        shown(4 * n + k, 3 * k - 6, "ab"[(n + k) % 2], user=user)
        for n, user in enumerate(ids)
        for k in range(4)
    ]
    outcomes = [done(n, n % 9, arm=[None, "a"][n % 2], user=user) for n, user in enumerate(ids)]
    return impressions_table(impressions), outcomes_table(outcomes)


def credits_of(tables):
    return pa.concat_tables(
        [CREDITS.empty_table(), *HOW.attribute(tables["impressions"], tables["outcomes"]).credits()]
    )


def counts_of(tables):
    """How many rows the kernel sees of each table and day."""
    rows = []
    for name, table in tables.items():
        days = table["ds"].to_pylist()
        rows += [{"table": name, "ds": day, "rows": days.count(day)} for day in sorted(set(days)) or [None]]
    return pa.Table.from_pylist(rows, COUNTS)


def with_day(rows):
    return rows.schema.append(pa.field("ds", pa.date32()))


def shares(folder, n=2000, buckets=5):
    """Rows of two days whose sums depend on the order in which they are summed."""
    dice = np.random.default_rng(7)
    rows = pa.table(
        {
            "user_id": [hashlib.sha256(f"{number % 97}".encode()).hexdigest()[:32] for number in range(n)],
            "occurred_at": pa.array(
                [START - HOUR * (number % 20) for number in range(n)], pa.timestamp("us", "UTC")
            ),
            "value": dice.standard_normal(n) * 10.0 ** dice.integers(-3, 3, n),
        }
    )
    return Work({"shares": stored(folder, rows, buckets)}, buckets)


def test_units_are_the_buckets_in_their_order_also_those_without_rows(tmp_path):
    work = shares(tmp_path / "shares", n=30, buckets=64)
    assert [unit.bucket for unit in work.units] == list(range(64))
    assert work.rows == 30
    seen = [unit.read()["shares"] for unit in work.units]
    assert sum(rows.num_rows for rows in seen) == 30
    assert min(rows.num_rows for rows in seen) == 0
    for bucket, rows in enumerate(seen):
        assert set(buckets_of(rows, 64)) <= {bucket}
        assert rows.schema == work.inputs["shares"].schema


@pytest.mark.parametrize("buckets", [1, 3])
def test_buckets_through_an_engine_are_the_kernel_called_directly(engine, tmp_path, buckets):
    impressions, outcomes = histories()
    directly = credits_of({"impressions": impressions, "outcomes": outcomes})
    by = [("outcome_id", "ascending"), ("impression_id", "ascending")]
    inputs = {
        "impressions": stored(tmp_path / "impressions", impressions, buckets).of_users_in("outcomes"),
        "outcomes": stored(tmp_path / "outcomes", outcomes, buckets),
    }

    found = engine.map(credits_of, Work(inputs, buckets))

    assert directly.num_rows > 40
    assert found.sort_by(by).to_pylist() == directly.sort_by(by).to_pylist()
    assert found.equals(ALONE.map(credits_of, Work(inputs, buckets)))
    assert found.schema == CREDITS


def test_a_table_without_files_is_empty_and_days_come_from_the_path(engine, tmp_path):
    impressions, _ = histories(6)
    here = replace(stored(tmp_path / "impressions", impressions, 2), schema=with_day(impressions))
    inputs = {"here": here, "nowhere": Input([], with_day(impressions))}
    rows = engine.map(counts_of, Work(inputs, 2)).to_pylist()
    by_day = dict.fromkeys(DAYS, 0)
    for row in rows:
        if row["table"] == "here":
            by_day[row["ds"]] += row["rows"]
    assert by_day == {DS - timedelta(days=1): 12, DS: 12}
    assert [(row["ds"], row["rows"]) for row in rows if row["table"] == "nowhere"] == [(None, 0)] * 2


def test_a_day_may_go_by_another_name_and_columns_may_be_few(engine, tmp_path):
    impressions, _ = histories(6)
    schema = impressions.schema.append(pa.field("slate_date", pa.date32()))
    given = replace(stored(tmp_path / "impressions", impressions, 2), schema=schema, partition="slate_date")
    given = given.columns(("slate_date", "arm_id"))

    def as_it_is(tables):
        return tables["slates"]

    found = engine.map(as_it_is, Work({"slates": given}, 2))
    assert found.column_names == ["slate_date", "arm_id"]
    assert sorted(found["slate_date"].to_pylist()) == [DAYS[0]] * 12 + [DAYS[1]] * 12


def test_texts_that_are_read_as_codes_are_the_same_texts(engine, tmp_path):
    impressions, _ = histories(6)
    lists = pa.array(
        [[user, None, "x"] if n % 3 else None for n, user in enumerate(impressions["user_id"].to_pylist())]
    )
    impressions = impressions.append_column("listed", lists)
    plain = stored(tmp_path / "impressions", impressions, 2)
    plain = replace(plain, schema=plain.schema.append(pa.field("younger", pa.string())))
    coded = plain.coded(("arm_id", "listed", "younger"))
    codes = pa.dictionary(pa.int32(), pa.string())
    assert [coded.schema.field(name).type for name in ("arm_id", "younger", "user_id")] == [
        codes,
        codes,
        pa.string(),
    ]
    found = engine.map(lambda tables: tables["impressions"], Work({"impressions": coded}, 2))
    expected = engine.map(lambda tables: tables["impressions"], Work({"impressions": plain}, 2))
    assert found.schema == coded.schema
    assert found.to_pylist() == expected.to_pylist()


def test_rows_of_users_that_another_table_lacks_are_dropped_as_they_are_read(engine, tmp_path):
    impressions, outcomes = histories(6)
    few = outcomes.slice(1, 2)
    inputs = {
        "impressions": replace(
            stored(tmp_path / "impressions", impressions, 2),
            schema=with_day(impressions),
            users_of="outcomes",
        ),
        "outcomes": replace(stored(tmp_path / "outcomes", few, 2), schema=with_day(few)),
    }
    rows = engine.map(counts_of, Work(inputs, 2)).to_pylist()
    assert sum(row["rows"] for row in rows if row["table"] == "impressions") == 8
    assert sum(row["rows"] for row in rows if row["table"] == "outcomes") == 2


def test_what_tasks_make_comes_in_the_order_of_items(engine):
    def slowest_first(number):
        _ = sum(range(200_000 * (number == 0)))
        return pa.table(
            {"number": [number] * (number % 3), "text": pa.array([str(number)] * (number % 3), pa.string())}
        )

    made = list(engine.run(slowest_first, list(range(7)), rows=7))
    assert [rows["number"].to_pylist() for rows in made] == [[], [1], [2, 2], [], [4], [5, 5], []]
    assert [rows.schema.names for rows in made] == [["number", "text"]] * 7
    assert list(engine.run(slowest_first, [], rows=0)) == []


@dataclass(frozen=True, eq=False)
class Trail:
    """What was merged with what, in order, and sums that depend on it."""

    first: np.ndarray
    total: np.ndarray

    @classmethod
    def initial(cls):
        return cls(np.zeros(0, np.int64), np.zeros(2))

    def merge(self, other):
        return Trail(np.concatenate([self.first, other.first]), self.total + other.total)

    def arrays(self):
        return {"first": self.first, "total": self.total}

    @classmethod
    def from_arrays(cls, arrays):
        return cls(arrays["first"], arrays["total"])


def trails(tables):
    """By parity of rows, and nothing of what has too few rows."""
    values = tables["shares"]["value"].to_numpy()
    for parity in (1, 0):
        mine = values[parity::2]
        if mine.size > 1 - parity:
            yield ("rows", parity), Trail(np.array([len(values)]), np.array([mine.sum(), (mine**2) @ mine]))


def bits(states):
    return {
        key: {name: array.tobytes() for name, array in state.arrays().items()}
        for key, state in states.items()
    }


def test_states_are_merged_in_the_order_of_units(engine, tmp_path):
    work = shares(tmp_path / "shares", n=300, buckets=40)
    initial = {("rows", 0): Trail.initial(), ("rows", 1): Trail.initial(), ("never", 0): Trail.initial()}
    found = engine.fold(initial, trails, work)
    assert list(found) == list(initial)
    by_unit = [dict(trails(unit.read())) for unit in work.units]
    for key, nothing in initial.items():
        by_hand = reduce(Trail.merge, [states[key] for states in by_unit if key in states], nothing)
        assert bits({key: found[key]}) == bits({key: by_hand})
    assert 10 < found["rows", 0].first.size < 40
    assert found["never", 0].first.size == 0


def test_folded_states_are_equal_to_the_last_bit_on_each_engine_and_from_run_to_run(engine, tmp_path):
    work = shares(tmp_path / "shares", n=20_000, buckets=23)
    initial = {("rows", 0): Trail.initial(), ("rows", 1): Trail.initial()}
    expected = ALONE.fold(initial, trails, work)
    for _ in range(2):
        assert bits(engine.fold(initial, trails, work)) == bits(expected)
    by_unit = [dict(trails(unit.read())) for unit in work.units]
    orders = [by_unit, by_unit[::-1], *(by_unit[turn:] + by_unit[:turn] for turn in range(1, 23))]
    totals = [reduce(Trail.merge, [of["rows", 0] for of in order]).total.tobytes() for order in orders]
    assert totals[0] == expected["rows", 0].total.tobytes()
    assert len(set(totals)) > 1, "another order would show"


CONTRACT = Contract(
    name="shares",
    description="",
    grain="",
    columns=(
        Column(name="user_id", type="string", required=True),
        Column(name="value", type="double"),
        Column(name="ds", type="date", required=True),
    ),
    key=("user_id", "value"),
    partition="ds",
)
OTHERS = replace(CONTRACT, name="others", columns=CONTRACT.columns[::2], key=("user_id",))


def tables(home):
    warehouse = Warehouse(home)
    return {"shares": warehouse.table("shop", CONTRACT), "others": warehouse.table("shop", OTHERS)}


def large_ones(tables):
    """Rows of two tables; of one of them only where there are any large values."""
    rows = tables["shares"].select(["user_id", "value"])
    large = rows.filter(pa.array(rows["value"].to_numpy() > 1.0))
    found = {"shares": rows.sort_by([("user_id", "ascending"), ("value", "ascending")])}
    return found | ({"others": large.select(["user_id"])} if large.num_rows else {})


def written(staged):
    """By bucket, the bytes of the files, whose names are as they come."""
    assert all(file.path.stat().st_size == file.size for file in staged.data_files)
    assert all(pq.read_metadata(file.path).num_rows == file.rows for file in staged.data_files)
    return [(file.bucket, file.path.read_bytes()) for file in staged.data_files]


def test_what_a_kernel_makes_of_each_unit_is_staged_for_each_table(engine, tmp_path):
    work = shares(tmp_path / "shares", n=60, buckets=64)
    made = {}
    for name, runs in {"here": engine, "alone": ALONE}.items():
        home = tables(tmp_path / name)
        made[name] = runs.write(large_ones, work, {table: home[table].begin(DS) for table in home})
    for table in ("shares", "others"):
        assert written(made["here"][table]) == written(made["alone"][table])
        assert made["here"][table].day == DS
    everyone = ALONE.map(lambda rows: rows["shares"], work)
    assert made["here"]["shares"].rows == everyone.num_rows == 60
    with_rows = sorted({*buckets_of(everyone, 64).tolist()})
    assert [bucket for bucket, _ in written(made["here"]["shares"])] == with_rows
    assert len(with_rows) < 64
    assert 0 < made["here"]["others"].rows < 60
    home = tables(tmp_path / "here")
    for table in home.values():
        staged = table.staged(DS)  # as another process finds it
        assert staged == made["here"][table.contract.name]
        table.verify(staged)
        table.publish(staged, {})
    by = [("user_id", "ascending"), ("value", "ascending")]
    published = home["shares"].snapshot().to_arrow(DS, DS).select(["user_id", "value"]).sort_by(by)
    assert published.to_pylist() == everyone.select(["user_id", "value"]).sort_by(by).to_pylist()


def test_a_day_on_which_a_kernel_makes_nothing_is_an_empty_day(engine, tmp_path):
    nothing = Input([], pa.schema([("user_id", pa.string()), ("value", pa.float64())]))
    home = tables(tmp_path)
    made = engine.write(large_ones, Work({"shares": nothing}, 3), {"shares": home["shares"].begin(DS)})
    assert (made["shares"].rows, made["shares"].files) == (0, ())
    home["shares"].publish(made["shares"], {})
    assert home["shares"].is_written(DS)


def test_what_a_kernel_makes_of_any_item_is_staged_in_the_bucket_that_it_is_named_with(engine, tmp_path):
    def users(names):
        return {"others": pa.table({"user_id": pa.array(names, pa.string())})}

    table = tables(tmp_path)["others"]
    items = [(5, 1, ["a", "b"]), (0, 0, []), (2, 0, ["c"]), (5, 0, ["d"])]
    staged = engine.write_parts(users, items, 4, {"others": table.begin(DS)})["others"]
    found = [(file.bucket, pq.read_table(file.path)["user_id"].to_pylist()) for file in staged.data_files]
    assert found == [(2, ["c"]), (5, ["d"]), (5, ["a", "b"])]


def test_rows_that_do_not_fit_the_contract_are_not_staged(engine, tmp_path):
    def misfits(_):
        return {"others": pa.table({"someone": ["a"]})}

    table = tables(tmp_path)["others"]
    with pytest.raises(ContractError, match="others 2026-11-16"):
        engine.write_parts(misfits, [(0, 0, None), (1, 0, None)], 2, {"others": table.begin(DS)})
    with pytest.raises(ContractError, match="nothing is staged"):
        table.staged(DS)


def test_a_damaged_file_is_the_same_error_on_each_engine(engine, tmp_path):
    impressions, _ = histories(6)
    folder = tmp_path / "tables/shop/impressions/ds=2026-11-16"
    given = stored(folder, impressions, 2)
    cut, gone = given.files[1].path, given.files[2].path
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    work = Work({"impressions": given}, 2)

    def rows(tables):
        return tables["impressions"]

    for damaged, what in ((cut, "is damaged"), (gone, "is missing")):
        with pytest.raises(DamageError, match=f"shop/impressions of 2026-11-16: {damaged} {what}") as here:
            engine.map(rows, work)
        with pytest.raises(DamageError) as alone:
            ALONE.map(rows, work)
        assert str(here.value) == str(alone.value)
        cut.write_bytes(whole)
        gone.unlink(missing_ok=True)


def test_of_a_table_some_rows_are_read_and_of_another_those_of_the_day_before(engine, tmp_path):
    impressions, _ = histories(6)
    there = replace(stored(tmp_path / "shown", impressions, 2), schema=with_day(impressions))
    one = Filter(pc.field("user_id") == pc.min(impressions["user_id"]), ("user_id",))
    first = there.where(one)
    inputs = {"first": first, "before": there.of_users_in("first", day_after="ds")}
    rows = engine.map(counts_of, Work(inputs, 2)).to_pylist()
    found = {(row["table"], row["ds"]): row["rows"] for row in rows if row["rows"]}
    assert len(first.files) < len(there.files)
    assert found == {("first", DAYS[0]): 2, ("first", DAYS[1]): 2, ("before", DAYS[0]): 2}
