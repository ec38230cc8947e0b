"""Which days are whole, from tables written by hand: rewards of the program count for a day."""

from datetime import date
from pathlib import Path

from nightslate.pipeline.cohort_models import waited_for

from .by_hand import day, night, replaced


def attributed(home: Path, *numbers: int) -> None:
    for number in range(4):
        replaced(night(home, number), "impressions", day(number), [])
    for number in numbers:
        replaced(night(home, number), "credits", day(number), [])


def waiting(home: Path, number: int) -> list[date]:
    tonight = night(home, number)
    return waited_for(tonight, tonight.table("impressions"), tonight.table("credits"))


def test_a_day_waits_for_the_outcomes_of_every_day_of_its_window(tmp_path: Path) -> None:
    attributed(tmp_path, 0, 1, 3)
    assert waiting(tmp_path, 3) == [day(2)]
    assert waiting(tmp_path, 1) == []


def test_when_they_have_landed_nothing_is_waited_for(tmp_path: Path) -> None:
    attributed(tmp_path, 0, 1, 2, 3)
    assert waiting(tmp_path, 3) == []
