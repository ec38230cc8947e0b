"""How a step failed, from its driver to the scheduler."""

from nightslate.errors import ContractError
from nightslate.outcomes import Outcome


def test_an_outcome_is_found_as_it_was_left(tmp_path):
    outcome = Outcome.of(ContractError("3 of 7 rows"))
    outcome.leave(tmp_path / "of" / "the night.json")
    assert Outcome.found_in(tmp_path / "of" / "the night.json") == outcome
    assert outcome == Outcome(65, "ContractError", "3 of 7 rows")


def test_none_and_half_of_one_are_none(tmp_path):
    file = tmp_path / "outcome.json"
    assert Outcome.found_in(file) is None
    for text in ('{"exit_code": 65, "err', '{"exit_code": 65}', "[]", "\xff"):
        file.write_text(text, "latin-1")
        assert Outcome.found_in(file) is None


def test_where_none_can_be_left_the_error_is_still_what_counts(tmp_path):
    (tmp_path / "file").touch()
    Outcome.of(ContractError("3 of 7 rows")).leave(tmp_path / "file" / "outcome.json")
