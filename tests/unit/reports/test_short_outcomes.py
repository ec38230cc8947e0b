"""What came soon, beside what policies are worth."""

from dataclasses import replace
from datetime import date

import pyarrow as pa

from nightslate.reports.night_page import page

from .nights import EVALUATIONS, HOSTILE, evaluation, ordinary

DAYS = {"first_day": date(2019, 11, 20), "last_day": date(2019, 11, 25)}


def written(*rows, kinds=("engagement",)):
    night = ordinary()
    soon = pa.Table.from_pylist([{**row, "estimand": "short_outcomes", **DAYS} for row in rows], EVALUATIONS)
    return page(replace(night, evaluations=pa.concat_tables([night.evaluations, soon]), short_kinds=kinds))


def test_it_stands_by_itself_and_says_what_it_is():
    soon = written(evaluation("popularity", "dr", 0.777, 0.1), evaluation("uniform", "dr", 0.333, 0.1))
    section = soon[soon.index("<h2>What came soon</h2>") :]
    section = section[: section.index("</section>")]
    for text in ("engagement", "It is not what a policy is worth", "0.777", "0.677 to 0.877", "0.333"):
        assert text in section
    assert "2019-11-20 to 2019-11-25" in section
    assert "<b>0.777</b>" not in soon.replace(section, "")
    assert soon.replace(f"<section>\n  {section.strip()}", "").count("77.7") == 0  # it is in no other table


def test_what_policies_are_worth_is_as_without_it():
    without = page(ordinary())
    rest = written(evaluation("popularity", "dr", 0.777, 0.1))
    for title in ("What each policy is worth", "Can these estimates be trusted"):
        for html in (without, rest):
            assert html.count(title) == 1
    table = without[without.index("<h2>What each policy is worth") : without.index("Tomorrow")]
    for cell in table.split("</td>")[:30]:
        assert cell in rest


def test_before_anything_came_there_is_a_word_and_other_programs_have_none():
    assert "Nothing came yet" in written(evaluation("uniform", "dr", None, 0.0, n=0))
    assert "What came soon" not in page(ordinary())


def test_names_are_text():
    assert HOSTILE not in written(evaluation(HOSTILE, "dr", 0.1, 0.1), kinds=(HOSTILE,))
