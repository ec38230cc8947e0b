"""What a program promises its users, and what does not go with it."""

import pytest
from pydantic import ValidationError
from tests.unit.pipeline.test_plan import program

from nightslate.programs import Program


def test_a_program_says_of_how_many_users_it_tells() -> None:
    assert program().min_cell == 1
    assert program(privacy={"min_cell": 20}).min_cell == 20
    assert "privacy" not in program().model_dump_json()


@pytest.mark.parametrize("privacy", [{}, {"min_cell": 1}, {"min_cell": "20"}])
def test_slips_are_named(privacy: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="privacy"):
        program(privacy=privacy)


def test_pages_of_sequences_show_states_of_users() -> None:
    sequence = {"sequence": {"gap": "2d"}}
    learners = {"learners": {"uniform": {"kind": "uniform"}, "q": {"kind": "fitted_q"}}}
    assert isinstance(program(**sequence, **learners), Program)
    with pytest.raises(ValidationError, match="the page of all is about decisions of a `sequence`"):
        program(privacy={"min_cell": 20}, **sequence, **learners)
