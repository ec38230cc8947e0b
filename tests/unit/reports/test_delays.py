"""What the page says of how late rewards come."""

from dataclasses import replace

import pyarrow as pa
from tests.unit.reports.nights import HOSTILE, ordinary

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.reports.delays import delays_by_kind
from nightslate.reports.night_page import page
from nightslate.reports.numbers import MISSING


def row(part="all", arm_id=None, median=2.0, seen=0.5, later=None, differs=False, kind="task", **changes):
    return {
        "issue": "all",
        "kind": kind,
        "part": part,
        "arm_id": arm_id,
        "credits": 812.4,
        "median_days": median,
        "seen": seen,
        "later": later,
        "differs": differs,
        **changes,
    }


def warnings(*rows):
    (kind,) = delays_by_kind(rows)
    return kind.warnings


def test_a_kind_has_its_median_and_no_warning_where_nothing_differs():
    plain = [row(), row("arm", "a", later=0.5), row("number", later=-1.0), row("losses", later=1.0)]
    (clicks, task) = delays_by_kind([*plain, row(kind="click", median=None)])
    assert (task.kind, task.credits, task.median, task.warnings) == ("task", "812", "2.0 days", ())
    assert (clicks.kind, clicks.median) == ("click", MISSING)


def test_arms_that_differ_are_named_the_most_different_first():
    (text,) = warnings(
        row(),
        row("arm", "slow", 4.123, 0.25, 9.0, True),
        row("arm", "quick", 0.5, 0.8, -12.0, True),
        row("arm", "like all", 2.0, 0.5, 0.1),
    )
    assert text.startswith(
        "Some arms earn task later or sooner than all (half within 2.0 days): "
        "quick sooner (half within 0.50 days), slow later (half within 4.1 days). "
    )


def test_of_many_arms_five_are_named():
    (text,) = warnings(row(), *(row("arm", f"a{i}", 4.0, 0.2, 20.0 - i, True) for i in range(9)))
    assert "a0 later" in text
    assert "a4 later (half within 4.0 days), and 4 more in the table delays." in text
    assert "a5" not in text


def test_large_credits_and_losses_that_come_later_are_told_by_kind():
    large, losses = warnings(
        row(median=6.0),
        row("number", None, 2.0, 0.7, -8.0, True),
        row("gains", None, 2.0, 0.6, -7.0, True),
        row("losses", None, 5.0, 0.3, 7.0, True),
    )
    assert large.startswith(
        "Large credits of task come later than small ones: half of the credits within 2.0 days,"
        " half of what they are worth within 6.0 days."
    )
    assert losses.startswith(
        "Losses of task come later than its gains: half of them within 5.0 days, of the gains within 2.0"
        " days. Rewards of young impressions are too high: make losses a kind of their own"
    )


def test_losses_that_come_sooner_make_rewards_too_low():
    (text,) = warnings(row(), row("gains", later=7.0, differs=True), row("losses", later=-7.0, differs=True))
    assert "come sooner than its gains" in text
    assert "too low" in text


def test_the_page_has_them_for_programs_that_weight_young_impressions_only():
    table = schema(load("delays"), partition=False)
    rows = pa.Table.from_pylist([row(), row("arm", HOSTILE, 4.0, 0.2, 9.0, True)], table)
    html = page(replace(ordinary(), delays=rows))
    assert "How late rewards come" in html
    assert "Some arms earn task later or sooner than all" in html
    assert HOSTILE not in html
    assert "How late rewards come" not in page(ordinary())
    assert "Nothing has been earned yet." in page(replace(ordinary(), delays=rows.slice(0, 0)))
