"""The section on what is sent, on the page of a night."""

from dataclasses import replace

from nightslate.reports.night_page import page
from nightslate.reports.sends import SendFigures

from .nights import HOSTILE, ordinary

FIGURES = SendFigures(
    slates=1400,
    sent={("email", 9): 1000, ("email", 12): 34, ("text", 9): 21},
    unsent={"nothing": 300, "opted_out": 45},
    withheld={"no_channel": 77, "limit": 8},
    closed={"channel email: 4 in 7d": 55},
)


def section(figures):
    html = page(replace(ordinary(), sends=figures))
    return " ".join(html.split("<h2>Sends</h2>")[1].split("</section>")[0].split())


def test_what_is_sent_by_which_channel_and_why_others_are_not():
    html = section(FIGURES)
    for said in (
        "Of 1,400 slates 1,055 are to be sent tomorrow: 1,034 by email, 21 by text.",
        "by channel: email 1034, text 21",
        'a slate that is not sent: opted out</td><td class="number">45',
        'no slate: no channel</td><td class="number">77',
        'channel email: 4 in 7d</td><td class="number">55',
    ):
        assert said in html, said


def test_a_night_on_which_nothing_is_sent():
    html = section(SendFigures(0, {}, {}, {}, {}))
    assert "Of 0 slates 0 are to be sent tomorrow." in html
    assert "Everybody is sent something" in html
    assert "closed by limits" not in html
    assert "<svg" not in html


def test_names_are_text():
    assert "<script>alert" not in section(replace(FIGURES, sent={(HOSTILE, 9): 1}, closed={HOSTILE: 1}))


def test_a_program_that_sends_nothing_has_no_section():
    assert "<h2>Sends</h2>" not in page(ordinary())
