"""The section on contact rules on the page of a night."""

from dataclasses import replace

from nightslate.reports.contacts import ContactFigures
from nightslate.reports.night_page import page

from .nights import HOSTILE, ordinary

FIGURES = ContactFigures(
    users=1200,
    withheld={"holdout": 61, "opted_out": 17, "not_concerned": 5},
    recent={0: 900, 1: 280, 20: 20},
    many=20,
    breaches={"2 in 7d": 3, "gap of 2d": 0, "holdout": 1},
    outside=7,
    unknown_zones=11,
    holdout_share=0.05,
)


def section(figures):
    html = page(replace(ordinary(), contacts=figures))
    return " ".join(html.split("<h2>Contacts</h2>")[1].split("</section>")[0].split())


def test_who_is_withheld_and_what_was_against_the_rules():
    html = section(FIGURES)
    assert "83 of 1,200 users get no slate tomorrow" in html
    assert "has 61 of them" in html
    for said in ("opted out", "3 beyond 2 in 7d; 1 beyond holdout.", "7 impressions were shown outside"):
        assert said in html
    assert "beyond gap" not in html
    assert "11 users have no time zone" in html
    assert "20 or more" in html


def test_a_quiet_night_says_so():
    html = section(replace(FIGURES, withheld={}, breaches={}, outside=None, recent={}, unknown_zones=0))
    for said in ("0 of 1,200 users", "Nobody is withheld.", "No contact of the day was against a limit"):
        assert said in html
    assert "outside of the times" not in html


def test_names_are_text():
    assert HOSTILE not in section(replace(FIGURES, breaches={HOSTILE: 1}))


def test_a_program_without_contact_rules_has_no_section():
    assert "<h2>Contacts</h2>" not in page(ordinary())
