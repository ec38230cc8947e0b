"""What models of effects look at."""

import pytest
from tests.unit.programs.test_scores import program

from nightslate.pipeline.effect_fitting import looked_at


@pytest.mark.parametrize("ignores", [[], ["plan", "visits_14d"]])
def test_models_look_at_all_columns_but_those_that_are_ignored(tmp_path, ignores) -> None:
    of = program(tmp_path, {"ignores": ignores})
    context, asked = of.context, of.only_issue.allocation
    assert asked is not None
    found = [column.name for column in looked_at(context, asked)]
    assert found == [column.name for column in context if column.name not in ignores]
    assert len(found) == len(context) - len(ignores)
