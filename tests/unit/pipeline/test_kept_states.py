"""States that are kept: found whole, by all that they are made of, or not at all."""

import pyarrow as pa
import pytest

from nightslate.core.policies import LinearUCB, Popularity
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.rewards import Matured
from nightslate.kernels.training import Lessons
from nightslate.pipeline.hourly_lessons import HourLesson
from nightslate.pipeline.kept_states import KeptStates
from nightslate.programs.days import end_of

from .test_night import DS

ROWS = pa.table(
    {
        "occurred_at": pa.array([end_of(DS)] * 3, pa.timestamp("us", "UTC")),
        "arm_id": ["a", "b", "gone"],
        "age": [20.0, 30.0, 40.0],
        "reward": [1.0, 0.0, 1.0],
    }
)


def lessons(**learners):
    chosen = learners or {"linear": LinearUCB(), "popular": Popularity()}
    return Lessons(Matured("tiny", DS, end_of(DS)), chosen, Encoder(("age",), (None,)), ("a", "b"), 1)


def same(one, other):
    return one.keys() == other.keys() and all(
        (one[key].arrays()[name] == array).all() for key in one for name, array in other[key].arrays().items()
    )


def test_what_was_taught_is_found_again(tmp_path):
    remember, lesson = KeptStates(tmp_path, "program").of_hours(lessons()), HourLesson(lessons())
    taught, now = remember(ROWS, lesson)
    found, again = remember(ROWS.combine_chunks(), lesson)
    assert (now, again) == (True, False)
    assert same(found, taught)
    assert same(found, lesson(ROWS))


@pytest.mark.parametrize("changed", ["reward", "age", "arm_id", "occurred_at"])
def test_other_impressions_are_learnt_anew(tmp_path, changed):
    remember, lesson = KeptStates(tmp_path, "program").of_hours(lessons()), HourLesson(lessons())
    remember(ROWS, lesson)
    place = ROWS.column_names.index(changed)
    others = {"reward": [1.0, 0.5, 1.0], "age": [20.0, 31.0, 40.0], "arm_id": ["a", "a", "gone"]}
    yesterday = pa.array([end_of(DS).replace(day=1)] * 3, pa.timestamp("us", "UTC"))
    rows = ROWS.set_column(place, changed, pa.array(others[changed]) if changed in others else yesterday)
    taught, now = remember(rows, lesson)
    assert now
    assert same(taught, lesson(rows))


def test_other_learners_and_programs_learn_for_themselves(tmp_path):
    kept = KeptStates(tmp_path, "program")
    kept.of_hours(lessons())(ROWS, HourLesson(lessons()))
    for others, program in ((lessons(linear=LinearUCB(ridge=2.0)), "program"), (lessons(), "edited")):
        remember = KeptStates(tmp_path, program).of_hours(others)
        assert remember(ROWS, HourLesson(others))[1]


@pytest.mark.parametrize("left", [0, 10, 31, 32, 33, 500])
def test_a_file_that_a_killed_process_left_is_no_state(tmp_path, left):
    remember, lesson = KeptStates(tmp_path, "program").of_hours(lessons()), HourLesson(lessons())
    taught, _ = remember(ROWS, lesson)
    (file,) = (path for path in tmp_path.iterdir() if path.is_file())
    file.write_bytes(file.read_bytes()[:left])
    found, now = remember(ROWS, lesson)
    assert now
    assert same(found, taught)
    assert not remember(ROWS, lesson)[1]
