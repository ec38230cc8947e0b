"""What every step of a night is run with."""

from datetime import date

import numpy as np
import pytest
import yaml
from tests.unit.pipeline.test_night import DS, SPEC
from threadpoolctl import threadpool_info, threadpool_limits

from nightslate.errors import SpecError
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_task
from nightslate.pipeline.tasks import Step, Task
from nightslate.programs import load


def threads_of_sums():
    """How many threads BLAS has, in each of the libraries that are loaded."""
    _ = np.ones((4, 4)) @ np.ones((4, 4))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def night(tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**yaml.safe_load(SPEC), "slots": 3}))
    return Night(load(tmp_path / "tiny.yaml"), DS, tmp_path / "warehouse")


def test_sums_of_a_step_never_depend_on_the_number_of_cores(night):
    step = Step(name="train", does="Looks.", run=lambda: lambda _: str(threads_of_sums()))
    with threadpool_limits(limits=2):
        assert run_task(Task(step), night) == "{1}"
        assert threads_of_sums() == {2}


def test_no_night_is_before_the_first(night):
    step = Step(name="train", does="Looks.", run=lambda: lambda _: "done")
    with pytest.raises(SpecError, match="before 2024-03-01, the start_date of tiny"):
        run_task(Task(step), night.at(date(2024, 2, 29)))
