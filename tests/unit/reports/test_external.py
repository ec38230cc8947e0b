"""Users whom somebody else decides for, on the page of a night."""

from dataclasses import replace

from nightslate.reports.night_page import page

from .nights import ordinary


def test_the_page_says_how_many_users_have_no_slate_and_why():
    html = " ".join(page(replace(ordinary(), external=["rule", "vendor"], others=1234)).split())
    assert "1,234 users have none: they are in rule, vendor, for whom somebody else decides" in html
    assert "somebody else decides" not in page(ordinary())
