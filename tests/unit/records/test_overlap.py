"""Two logs whose keys hardly overlap are told of, with what the keys look like and not whose they are."""

import pyarrow as pa
import pytest

from nightslate.records.overlap import Overlap, form, forms_of, hardly_any


@pytest.mark.parametrize(
    ("text", "looks_like"),
    [
        ("7", "9"),
        ("7.0", "9.9"),
        ("007", "999"),
        ("Anna.Karenina@example.com", "a.a@a.a"),
        ("user-17/é", "a-99/a"),
        ("٣", "9"),
        ("", ""),
        ("9" * 50, "9" * 40 + "…"),
    ],
)
def test_a_form_does_not_tell_whose_it_is(text, looks_like):
    assert form(text) == looks_like


def test_forms_are_those_of_the_first_rows(tmp_path):
    (tmp_path / "a.parquet").write_text("damaged")
    (tmp_path / "b.csv").write_text("user_id\n")
    (tmp_path / "c.csv").write_text("user_id,other\n7.0,x\nanna@x,y\n,\n8.0,z\nB-1,z\nlate,z\n")
    files = sorted(tmp_path.iterdir())
    assert forms_of(files, ["user_id", "impression_id"], ()) == {"user_id": ["9.9", "a@a", "a-9"]}
    assert forms_of(files, ["user_id"], ["user_id"])["user_id"][0] == "9"
    assert forms_of(files[:2], ["user_id"], ()) == {}


def test_parts_of_the_users_add_up():
    shown = pa.table({"user_id": ["a", "a", "b"], "impression_id": ["1", "2", "3"]})
    done = pa.table({"user_id": ["a", "c", "a", None], "impression_id": ["1", "2", None, "9"]})
    found = Overlap.of(shown, done)
    assert found == Overlap(4, 2, 3, 2)
    assert Overlap.of(shown, done.select(["user_id"])) == Overlap(4, 2, 0, 0)
    assert found + Overlap(1, 1, 1, 0) == Overlap(5, 3, 4, 2)


def test_hardly_any_is_fewer_than_one_in_twenty():
    assert hardly_any(0, 1)
    assert hardly_any(49, 1000)
    assert not hardly_any(50, 1000)
    assert not hardly_any(0, 0)
    here = {"user_id": ["7.0"], "impression_id": ["x"]}
    warning = Overlap(1000, 49, 1000, 50).strangers(here, lambda name: {"user_id": ["7"]}[name])
    assert warning == (
        "only 49 of 1,000 outcomes have a user_id that is among the impressions, under 5%; it is"
        ' like "7.0" in outcomes and like "7" in impressions: do both logs write it in one form?'
    )
