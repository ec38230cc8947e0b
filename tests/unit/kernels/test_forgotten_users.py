"""Rows of users who asked to be forgotten: rejected whatever they say, and nothing of them is kept."""

import hmac
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.kernels.landed import CONFORMER, KEY, PSEUDONYMISE, WRITERS, accepted, conform, good, raw_user

from nightslate.kernels.forgotten_users import ForgottenUsers
from nightslate.kernels.pseudonyms import Pseudonymiser


def tag_of(user: str, pseudonymise: Pseudonymiser = PSEUDONYMISE) -> str:
    return str(pseudonymise.tags(pseudonymise(pa.array([user])))[0])


FORGOTTEN = ForgottenUsers(PSEUDONYMISE, frozenset([tag_of(raw_user(2)), "0" * 32]))


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(
    "different", [{}, {"propensity": 0.0}, {"arm_id": "unknown"}, {"occurred_at": None}, {"slot": "x"}]
)
def test_their_rows_are_rejected_and_say_nothing(
    tmp_path: Path, write: Callable[..., Path], different: dict[str, object]
) -> None:
    if "slot" in different and write is WRITERS["parquet"]:
        pytest.skip("a column of Parquet has one type")
    rows = [good(1), good(2, **different), good(3, propensity=0.0)]
    table = conform(write(tmp_path / "f", rows), replace(CONFORMER, forgotten=FORGOTTEN))
    assert accepted(table) == ["i1"]
    verdict = {row["_number"]: (row["_reason"], row["_row"]) for row in table.to_pylist() if row["_reason"]}
    assert verdict[2] == ("forgotten", "{}")
    assert verdict[3][0] == "out_of_range"
    assert '"i3"' in verdict[3][1]


def test_a_row_without_a_user_is_of_nobody_who_was_forgotten(tmp_path: Path) -> None:
    path = WRITERS["jsonl"](tmp_path / "f", [good(1, user_id=None)])
    (row,) = conform(path, replace(CONFORMER, forgotten=FORGOTTEN)).to_pylist()
    assert row["_reason"] == "required"


def test_a_tag_tells_nothing_without_the_key() -> None:
    """It is an HMAC of the pseudonym, under a key that follows from the key and is used for nothing else."""
    pseudonym = str(PSEUDONYMISE(pa.array(["ann"]))[0])
    purpose = hmac.digest(KEY, b"nightslate: users who asked to be forgotten", "sha256")
    assert tag_of("ann") == hmac.new(purpose, pseudonym.encode(), "sha256").hexdigest()[:32]
    assert tag_of("ann") != pseudonym
    assert tag_of("ann", Pseudonymiser(b"another key of sixteen", "1")) != tag_of("ann")
    assert KEY.decode() not in repr(FORGOTTEN)
    assert pickle.loads(pickle.dumps(FORGOTTEN)) == FORGOTTEN  # noqa: S301 -- as engines hand it to workers
