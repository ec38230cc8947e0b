"""Updates between nights, as a program declares them."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from nightslate.programs.updates import Updates


def test_defaults_are_an_hour_and_ten_minutes():
    assert Updates() == Updates(every="1h", lateness="10m")
    assert Updates(every="30m").every == timedelta(minutes=30)


@pytest.mark.parametrize("every", ["4m", "2d", "often"])
def test_every_is_from_five_minutes_to_a_day(every):
    with pytest.raises(ValidationError, match=r"from 5m to 1d|a whole number and a unit"):
        Updates(every=every)
