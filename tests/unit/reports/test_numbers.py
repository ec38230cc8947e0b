"""Numbers read the way people write them."""

# ruff: noqa: RUF001 -- numbers have a real minus sign

from __future__ import annotations

import pytest

from nightslate.reports.numbers import Reward, count, percent, setting, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0038, "0.00380"), (-1.5, "−1.50"), (9992.0, "9,992"), (0.0, "0"), (1e-9, "1.00e−9"), (None, "–"),
     (float("nan"), "–"), (float("inf"), "–")],
)  # fmt: skip
def test_three_significant_digits(value: float | None, text: str) -> None:
    assert significant(value).replace("e−09", "e−9") == text


def test_shares_are_in_percent_and_settings_as_written() -> None:
    assert percent(0.0038) == "0.380 %"
    assert percent(None) == "–"
    assert setting(95.0) == "95"
    assert count(1234567) == "1,234,567"


def test_a_rate_differs_by_percentage_points_and_a_reward_by_itself() -> None:
    rate, reward = Reward("clicks", rate=True), Reward("reward", rate=False)
    assert rate.difference(-0.002) == "−0.200 pp"
    assert rate.difference(0.5) == "+50.0 pp"
    assert reward.difference(0.25) == "+0.250"
    assert rate.difference(0.0) == reward.difference(0.0) == "0"
    assert rate.difference(-1.34e-16) == reward.difference(-1.34e-14) == "0", "the rounding of equal sums"
    assert rate.interval(0.001, 0.002) == "0.100 to 0.200 %"
    assert rate.difference_interval(-0.001, 0.002) == "−0.100 to +0.200 pp"
    assert rate.interval(None, None) == "–"
