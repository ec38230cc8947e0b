"""Which rows a condition holds for, against DuckDB's reading of the same words."""

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.kernels.conditions import holding
from nightslate.programs.conditions import parse

TYPES = {"errors": "number", "plan": "category"}
CONDITIONS = {
    "errors >= 2": "errors >= 2",
    "errors != 2": "errors <> 2",
    "1 < errors <= 3": "1 < errors and errors <= 3",
    "plan == pro": "plan = 'pro'",
    "plan in [pro, free]": "plan in ('pro', 'free')",
    "plan not in [pro, free]": "plan not in ('pro', 'free')",
    "not errors > 1": "not errors > 1",
    "errors > 1 or plan == free": "errors > 1 or plan = 'free'",
    "errors in [1, 2] and not (plan == pro or errors == 2)": (
        "errors in (1, 2) and not (plan = 'pro' or errors = 2)"
    ),
}
rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from([0.0, 1.0, 2.0, 3.5]),
        st.none() | st.sampled_from(["pro", "free", "trial"]),
    ),
    min_size=1,
    max_size=20,
)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        yield connection


@pytest.mark.parametrize("text", CONDITIONS)
@settings(deadline=None)
@given(rows=rows)
def test_it_means_what_sql_means(connection, text, rows):
    errors, plans = zip(*rows, strict=True)
    table = pa.table({"errors": pa.array(errors, pa.float64()), "plan": pa.array(plans, pa.string())})
    found = holding(table, parse(text, TYPES)).to_pylist()
    connection.register("users", table)
    wanted = connection.execute(f"select {CONDITIONS[text]} from users").fetchall()  # noqa: S608
    assert found == [holds for (holds,) in wanted]
