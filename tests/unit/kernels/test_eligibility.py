"""Who gets slates of an issue."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from nightslate.kernels.eligibility import EligibleUsers

USERS = pa.table(
    {
        "user_id": ["a", "b", "c", "d"],
        "device": ["app", "web", "app", None],
        "plan": ["free", "free", None, "paid"],
    }
)


@pytest.mark.parametrize(
    ("values", "users"),
    [
        ({}, "abcd"),
        ({"device": ("app",)}, "ac"),
        ({"device": ("app", "web")}, "abc"),
        ({"device": ("app", "web"), "plan": ("free", "paid")}, "ab"),
        ({"device": ("tv",)}, ""),
        ({"device": ()}, ""),
    ],
)
def test_users_have_one_of_the_values_of_each_column_that_is_asked_for(values, users):
    found = EligibleUsers(values)(USERS)
    assert found.schema == USERS.schema
    assert found["user_id"].to_pylist() == list(users)
    assert found == USERS.filter(pc.is_in(USERS["user_id"], pa.array(list(users), pa.string())))


def test_there_may_be_nobody():
    assert EligibleUsers({"device": ("app",)})(USERS.slice(0, 0)).num_rows == 0
