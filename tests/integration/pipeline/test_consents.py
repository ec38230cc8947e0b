"""What users do not agree to is in no table, and no night goes by it."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.errors import ContractError
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from tests.integration.nights import DOCS, pseudonym, run_night

from . import consenting, world
from .consenting import AGREED, DAYS, MARK, NONE, SEEN, USERS

OF_REFUSING = {**AGREED, "user-3": False, "user-10": None}
REFUSING = ("user-3", "user-10")
ANYTHING = st.sampled_from([True, False, None])


@pytest.mark.parametrize("as_of", ["temporal", "snapshot"])
def test_a_night_knows_nothing_that_was_not_agreed_to(tmp_path: Path, as_of: str) -> None:
    for number in (0, 1):
        consenting.land(tmp_path, number, OF_REFUSING)
        run_night(consenting.night(tmp_path, number, features_as_of=as_of), but=DOCS)
    for user in REFUSING:
        assert consenting.places_with(tmp_path, f"{MARK}-{user}-") == set()
        assert consenting.places_with(tmp_path, f"{SEEN}-{user}-") == {"activity"}
    assert {"users", "impressions"} <= consenting.places_with(tmp_path, f"{MARK}-user-4-")
    assert {"features", "activity"} <= consenting.places_with(tmp_path, f"{SEEN}-user-4-")
    found = consenting.rows(tmp_path, "features", DAYS[1])
    refused = found.filter(pl.col("user_id").is_in([pseudonym(user) for user in REFUSING]))
    assert set(refused["visits"]) == {2.0}
    for name in ("visits_there", "place", "seen_arm"):
        assert refused[name].null_count() == refused.height > 0
    assert found.filter(user_id=pseudonym("user-4"))["visits_there"].null_count() == 0
    assert len(consenting.rows(tmp_path, "slates", DAYS[2])) == len(USERS)  # they get slates all the same


@settings(max_examples=5, deadline=None)
@given(
    users=st.dictionaries(st.sampled_from(USERS), ANYTHING),
    shown=st.dictionaries(st.sampled_from(USERS), ANYTHING),
)
def test_what_a_row_says_itself_counts_and_else_what_users_say(
    users: Mapping[str, bool | None], shown: Mapping[str, bool | None]
) -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        consenting.land(home, 0, users, shown)
        run_night(consenting.night(home), "ingest", "features", but=DOCS)
        of_users, of_shown = known(home, "users"), known(home, "impressions")
        written = consenting.written(home).values()
        for user in USERS:
            by_user = users.get(user) is True
            by_row = by_user if shown.get(user) is None else shown[user]
            assert of_users[user] == by_user
            assert of_shown.get(user, by_row) == by_row
            if not by_user and not by_row:
                assert not any(f"{MARK}-{user}-" in text for text in written)


def known(home: Path, table: str) -> dict[str, bool]:
    """By user whether the segment is there; of all rows alike."""
    found = (
        consenting.rows(home, table, DAYS[0])
        .group_by("user_id")
        .agg(pl.col("segment").is_not_null().unique())
    )
    names = {pseudonym(user): user for user in USERS}
    return {
        names[row["user_id"]]: row["segment"].pop() for row in found.to_dicts() if len(row["segment"]) == 1
    }


def test_a_row_that_is_rejected_tells_nothing_that_was_not_agreed_to(tmp_path: Path) -> None:
    consenting.land(tmp_path, 0, {**OF_REFUSING, "user-5": "perhaps"}, {"user-3": False, "user-4": True})
    bad = {"occurred_at": f"{DAYS[0]}T10:00:00Z", "slot": 1, "arm_id": "a", "propensity": 7.0}
    said = {"user-3": {"consent_location": False}, "user-4": {"consent_location": True}, "user-6": {}}
    rows = [
        {**bad, "impression_id": user, "user_id": user, "segment": f"{MARK}-{user}-", **more}
        for user, more in said.items()
    ]
    folder = tmp_path / "landing" / consenting.PROGRAM / "impressions" / f"ds={DAYS[0]}"
    world.write_json_lines(folder / "more.jsonl", rows)
    run_step("ingest", consenting.night(tmp_path))
    assert len(consenting.rows(tmp_path, "quarantine", DAYS[0])) == len(rows) + 1
    assert "quarantine" in consenting.places_with(tmp_path, f"{MARK}-user-4-")
    for user in ("user-3", "user-5", "user-6"):
        assert "quarantine" not in consenting.places_with(tmp_path, f"{MARK}-{user}-")


def test_who_withdraws_is_unknown_from_the_next_night_on_with_what_was_recorded(tmp_path: Path) -> None:
    consenting.land(tmp_path, 0)
    consenting.land(tmp_path, 1, OF_REFUSING)
    for number in (0, 1):
        run_night(consenting.night(tmp_path, number), "ingest", "attribute", "features")
    user, tonight = pseudonym("user-3"), consenting.night(tmp_path, 1)
    then = read(consenting.night(tmp_path), "impressions", "segment")
    assert then.filter(user_id=user)["segment"].null_count() == 0  # that night may know
    for table, column in (("impressions", "segment"), ("users", "segment"), ("features", "place")):
        now = read(tonight, table, column)
        assert now.filter(user_id=user)[column].null_count() == now.filter(user_id=user).height > 1
        assert now.filter(pl.col("user_id") == pseudonym("user-4"))[column].null_count() == 0
    stored = consenting.rows(tmp_path, "impressions", DAYS[0]).filter(user_id=user)
    assert stored["segment"].null_count() == 0


def read(night: Night, table: str, column: str) -> pl.DataFrame:
    """A column of all days up to a night and whose it is, as tasks of the night read it."""
    given_ = bucket_input(night, night.table(table), ("user_id", column), DAYS[0])
    parts = [given_.of_bucket(bucket) for bucket in range(night.program.buckets)]
    alone = pa.concat_tables([part.columns((column,)).read(None) for part in parts])
    both = pa.concat_tables([part.read(None) for part in parts])
    assert alone.equals(both.select([column]))
    return pl.from_arrow(both)


def test_the_contract_says_what_takes_a_consent(tmp_path: Path) -> None:
    night = consenting.night(tmp_path)
    clauses = {
        table: {clause.text for clause in night.contract(table).clauses() if clause.rule == "consented"}
        for table in ("users", "impressions", "features", "outcomes", "activity", "feature_states")
    }
    segment = {"segment is null without consent_location"}
    place = {f"{name} is null without consent_location" for name in ("place", "visits_there", "seen_arm")}
    there = {"users": segment, "impressions": segment, "features": place}
    assert {table: said for table, said in clauses.items() if said} == there


def test_the_audit_names_features_of_users_who_do_not_agree(tmp_path: Path) -> None:
    """The day has landed again, and features were not made again."""
    consenting.land(tmp_path, 0)
    run_night(consenting.night(tmp_path), but=("audit", "publish", "report", *DOCS))
    run_step("audit", consenting.night(tmp_path))
    consenting.land(tmp_path, 0, OF_REFUSING)
    run_step("ingest", consenting.night(tmp_path))
    with pytest.raises(ContractError) as refused:
        run_step("audit", consenting.night(tmp_path))
    assert "features: place is there of users without consent_location: " in str(refused.value)
    assert "features: visits_there is there of users without consent_location: " in str(refused.value)
    assert "users: " not in str(refused.value)


def test_the_audit_names_what_was_taken_in_before_the_program_asked(tmp_path: Path) -> None:
    consenting.land(tmp_path, 0, NONE)
    run_step("ingest", consenting.night(tmp_path, asks=False))
    run_night(consenting.night(tmp_path), but=("ingest", "audit", "publish", "report", *DOCS))
    assert read(consenting.night(tmp_path), "impressions", "segment")["segment"].null_count() > 0
    with pytest.raises(ContractError) as refused:
        run_step("audit", consenting.night(tmp_path))
    for table in ("users", "impressions"):
        assert f"{table}: segment is there of users without consent_location: " in str(refused.value)
