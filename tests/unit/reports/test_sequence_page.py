"""What the page of a night says of sequences, and where it says nothing."""

from __future__ import annotations

from tests.unit.reports import nights
from tests.unit.reports.test_night_page import Document

from nightslate.reports.night_page import page
from nightslate.reports.numbers import MISSING
from nightslate.reports.sequence import SequenceFigures


def text_of(*sequences: SequenceFigures) -> str:
    return Document(page(nights.ordinary(sequences=sequences))).text


def test_a_program_without_sequences_has_no_such_section() -> None:
    text = Document(page(nights.ordinary())).text
    assert "Sequences" not in text
    assert "policy estimator clicks per impression interval impressions users" in text


def test_the_page_tells_values_segments_map_convergence_and_importance() -> None:
    document = Document(page(nights.ordinary(sequences=[nights.sequences()])))
    text = document.text
    assert "Always the best is worth 10.2 (9.70 to 10.7); what was logged, 7.61." in text
    assert "so far decisions recommended value call email" in text
    assert "nothing yet 1,000 call for 98.2 % 11.1 11.0 5.83" in text
    assert f"call first 500 email for 55.0 % 4.25 {MISSING} 4.25" in text
    assert "At 0.001 fitting ends. At the hollow dot they did not move at all." in text
    assert "policy estimator clicks per impression interval sequences users" in text
    assert sum("states" in label for label in document.figures()) == 2
    assert len(document.figures()) == 5 + 6


def test_what_is_not_there_yet_is_said() -> None:
    nothing = nights.sequences(
        sweep=[], logged=None, curve=[], decisions=0, segments=[], states=[], importance={}, ess_by_step=[]
    )
    document = Document(page(nights.ordinary(sequences=[nothing])))
    assert "No sequence can be valued yet" in document.text
    assert "no sequence has ended" in document.text
    assert "Nothing was fitted yet." in document.text
    assert len(document.figures()) == 5
    assert "No fitted_q learner has a model yet" in text_of()


def test_several_learners_have_a_section_each() -> None:
    text = text_of(nights.sequences(), nights.sequences(learner="softmax"))
    assert "Sequences: fitted_q" in text
    assert "Sequences: softmax" in text


def test_of_many_segments_and_arms_the_largest_are_shown_in_their_order() -> None:
    arms = [f"arm{i:02}" for i in range(30)]
    segments = [
        {"first": arm, "decisions": 100 + i, "recommended": arm, "share": 1.0, "value": 1.0,
         "values": dict.fromkeys(arms, 1.0)}
        for i, arm in enumerate(arms)
    ]  # fmt: skip
    text = text_of(nights.sequences(arms=("arm00", "arm01"), segments=segments))
    assert "so far decisions recommended value arm00 arm01" in text
    assert "arm09 first" not in text
    assert text.index("arm10 first 110") < text.index("arm29 first 129")
    assert "10 smaller segments are in sequences.json" in text


def test_ids_in_the_page_of_several_learners_are_unique() -> None:
    html = page(nights.ordinary(sequences=[nights.sequences(), nights.sequences(learner="softmax")]))
    ids = [attrs["id"] for _, attrs in Document(html).elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_arms_and_features_that_carry_markup_stay_text() -> None:
    document = Document(page(nights.hostile()))
    assert "<script>alert('x')</script>" in document.text[document.text.index("What is recommended") :]
    assert not document.tags & {"script", "img"}
