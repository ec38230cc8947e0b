"""What is wrong with a request is said in a line: what, where, the value, what to do."""

import re

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from tests.unit.serving import shop

from nightslate.errors import ContractError
from nightslate.programs.keyed_features import KeyedFeature
from nightslate.serving import requests

USERS = shop.people(3)


def read(frame):
    return requests.read(frame, shop.CONTEXT, shop.ARMS)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"slate_date": ["2026-11-17", "2026-13-01", ""]},
            "slate_date of row 1 is '2026-13-01', which",
        ),
        ({"slate_date": [None] * 3}, "slate_date of row 0 is nan, which is no day: write YYYY-MM-DD"),
        ({"slate_date": ["2026-11-17", "1066-10-14", "x"]}, "slate_date of row 1 is '1066-10-14'"),
        ({"slate_date": [20261117.0] * 3}, "slate_date of row 0 is 20261117.0, which is no day"),
        ({"user_id": ["f" * 32, "anna@example.com", None]}, "user_id of row 1 is no pseudonym"),
        ({"user_id": ["f" * 32, "F" * 32, "f" * 32]}, "user_id of row 1 is no pseudonym, which has 32"),
        (
            {"user_id": [None] * 3},
            "user_id of row 0 is no pseudonym, which has 32 hexadecimal digits, but has 0",
        ),
        ({"device": [1, 2, 3]}, "device holds what is no string"),
        ({"device": ["a", "b" * 501, None]}, "device of row 1 has 501 characters, and 500 is the most"),
        ({"age": ["old", "young", "x"]}, "age holds what is no double"),
        ({"age": [1.0, np.inf, 2.0]}, "age of row 1 is inf: send a number from -1e+15 to 1e+15, or null"),
        ({"age": [1.0, 2.0, -2e15]}, "age of row 2 is -2000000000000000.0: send a number"),
        (
            {"eligible_arms": [None, ["a"], ["b", "z", "y"]]},
            "eligible_arms of row 2 names 'z', which is none of the 5 arms that the model ranks",
        ),
        ({"eligible_arms": [["a", None], [], []]}, "eligible_arms of row 0 names None, which is none"),
        ({"eligible_arms": ["a", "b", "c"]}, "eligible_arms holds what is no list<item: string>"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(columns, said):
    with pytest.raises(ContractError, match=f"^{re.escape(said)}"):
        read(shop.asked(USERS, **columns))


def test_what_a_user_does_not_agree_to_is_not_known():
    context = [
        each.model_copy(update={"consent": "location"} if each.name == "age" else {}) for each in shop.CONTEXT
    ]
    frame = shop.asked(USERS, age=[1.0, 2.0, 3.0])
    assert read(frame).users["age"].to_pylist() == [1.0, 2.0, 3.0]
    nothing_said = requests.read(frame, context, shop.ARMS).users
    assert nothing_said["age"].to_pylist() == [None] * 3
    said = requests.read(frame.assign(consent_location=[True, None, False]), context, shop.ARMS).users
    assert said["age"].to_pylist() == [1.0, None, None]
    assert (
        said.drop_columns("age") == nothing_said.drop_columns("age") == read(frame).users.drop_columns("age")
    )


def test_an_id_that_may_be_raw_is_not_repeated():
    with pytest.raises(ContractError, match="has 16 characters") as error:
        read(shop.asked(USERS, user_id=["anna@example.com"] * 3))
    assert "anna" not in str(error.value)


def test_columns_that_lack_are_named():
    frame = shop.asked(USERS).drop(columns=["age", "slate_date"])
    with pytest.raises(ContractError, match="the request lacks the columns slate_date, age: send all"):
        read(frame)


def test_too_many_rows_are_refused_before_they_are_looked_at(monkeypatch):
    monkeypatch.setattr(requests, "MOST_ROWS", 2)
    with pytest.raises(ContractError, match="3 rows are more than are ranked at once: send 2 at most"):
        read(shop.asked(USERS, device=[1, 2, 3]))


def test_what_is_not_known_is_null_and_an_unheard_of_category_is_no_error():
    request = read(shop.asked(USERS, device=[None, "fridge", "phone"], age=[np.nan, None, 3]))
    assert request.users["device"].to_pylist() == [None, "fridge", "phone"]
    assert request.users["age"].to_pylist() == [None, None, 3.0]


def test_a_list_of_arms_names_them_in_any_order_and_as_often_as_it_likes():
    eligible = read(shop.asked(USERS, eligible_arms=[["e", "a", "a"], None, []])).eligible
    assert eligible.tolist() == [[True, False, False, False, True], [True] * 5, [False] * 5]
    assert read(shop.asked(USERS, eligible_arms=[None] * 3)).eligible is None


def test_a_served_model_says_it_in_mlflows_way():
    with pytest.raises(MlflowException, match=r"^age of row 0 is inf") as error:
        shop.served().predict(shop.asked(USERS, age=[np.inf] * 3))
    assert error.value.get_http_status_code() == 400


KEYED = KeyedFeature(name="seen", by="topic", default=0.0)


def test_features_by_arm_come_as_maps():
    frame = shop.asked(USERS, seen=[{"x": 1, "y": 2.5}, None, {}])
    users = requests.read(frame, shop.CONTEXT, shop.ARMS, [KEYED]).users
    assert users["seen"].to_pylist() == [[("x", 1.0), ("y", 2.5)], None, []]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([None, {"x": 1, "y": float("inf")}, None], "seen of row 1 has inf: send numbers from -1e+15 to 1e"),
        ([None, None, {"x": None}], "seen of row 2 has nan"),
        ([{"x": "often"}, None, None], "seen holds what is no map"),
        ([3, None, None], "seen holds what is no map"),
    ],
)
def test_features_by_arm_are_numbers(seen, says):
    with pytest.raises(ContractError, match=re.escape(says)):
        requests.read(shop.asked(USERS, seen=seen), shop.CONTEXT, shop.ARMS, [KEYED])


def test_features_by_arm_have_to_be_there():
    with pytest.raises(ContractError, match="lacks the columns seen"):
        requests.read(shop.asked(USERS), shop.CONTEXT, shop.ARMS, [KEYED])
