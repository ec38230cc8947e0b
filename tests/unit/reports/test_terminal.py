"""The terminal shows the same numbers as the page, and ids are text to it."""

# ruff: noqa: RUF001 -- numbers have a real minus sign

from __future__ import annotations

import io

import pyarrow as pa
from rich.console import Console, RenderableType
from tests.unit.reports import nights

from nightslate.reports.terminal import evaluation_table, promotions_table, quarantine_table, slates_table


def printed(table: RenderableType) -> str:
    return " ".join(rendered(table, width=160).split())


def rendered(table: RenderableType, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_evaluations_show_values_and_signed_differences() -> None:
    text = printed(evaluation_table(nights.evaluations(), nights.CLICKS))
    assert "linear_thompson DR 0.510 % 0.220 to 0.800 % 612 9,992" in text
    assert "popularity − uniform DR +0.0660 pp −0.264 to +0.396 pp" in text


def test_an_evaluation_without_matured_rows_shows_dashes() -> None:
    assert "uniform DR – – – 0" in printed(evaluation_table(nights.empty().evaluations))


def test_promotions_say_why() -> None:
    text = printed(promotions_table(nights.promotions(), nights.CLICKS))
    assert "popularity uniform kept worth 1.80 of 32.9 needed 13 +0.0660 pp −0.264 pp" in text
    assert (
        "linear_thompson: the evidence for linear_thompson is worth 41.2 after 13 days, and it takes 132; the"
        " effective sample size 611.7 is under 1000" in text
    )


def test_what_the_gate_decided_takes_one_line_a_challenger_of_100_columns() -> None:
    lines = rendered(promotions_table(nights.promotions(), nights.CLICKS), width=100).splitlines()
    assert [line.split()[0] for line in lines if line.strip()][:3] == [
        "challenger", "popularity", "linear_thompson",
    ]  # fmt: skip
    assert lines[2].endswith("−0.201 pp")


def test_slates_are_cut_to_the_limit_and_to_five_arms() -> None:
    table = slates_table(nights.slates(4), limit=2)
    assert table.row_count == 2
    assert "aaaaaaaa champion uniform 0 (1.25 %) 1 (1.27 %) 2 (1.28 %) 3 (1.30 %) 4 (1.32 %)" in printed(
        table
    )


def test_quarantine_is_counted_by_file_and_clause() -> None:
    row = {"log": "impressions", "file": "part-0.csv", "reason": "out_of_range", "clause": "propensity > 0"}
    row |= {"row_number": 1007, "row": '{"arm_id": "a", "propensity": -0.5}'}
    other = row | {"reason": "required", "clause": "arm_id is required", "row_number": 3, "row": "{}"}
    file = row | {"reason": "unreadable_file", "clause": "damaged", "row_number": None, "row": None}
    first = row | {"row_number": 20, "row": '{"propensity": "0"}'}
    text = printed(quarantine_table(pa.Table.from_pylist([other, row, first, file])))
    assert 'impressions part-0.csv out of range propensity > 0 2 20 "0"' in text
    assert "required arm_id is required 1 3" in text
    assert "unreadable file damaged 1" in text


def test_ids_are_neither_markup_nor_commands() -> None:
    row = nights.slates(1).to_pylist()[0] | {"policy": "[red]x[/red]\x1b[2J"}
    assert "[red]x[/red]�[2J" in printed(slates_table(pa.Table.from_pylist([row], nights.SLATES)))
