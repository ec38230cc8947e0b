"""The terminal shows the same numbers as the page, and ids are text to it."""

# ruff: noqa: RUF001 -- numbers have a real minus sign

from __future__ import annotations

import io

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from tests.unit.reports import nights

from nightslate.reports.terminal import evaluation_table, promotions_table, quarantine_table, slates_table


def printed(table: Table) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table)
    return " ".join(console.export_text().split())


def test_evaluations_show_values_and_signed_differences() -> None:
    text = printed(evaluation_table(nights.evaluations(), nights.CLICKS))
    assert "linear_thompson DR 0.510 % 0.220 to 0.800 % 612 9,992" in text
    assert "popularity − uniform DR +0.0660 pp −0.264 to +0.396 pp" in text


def test_an_evaluation_without_matured_rows_shows_dashes() -> None:
    assert "uniform DR – – – 0" in printed(evaluation_table(nights.empty().evaluations))


def test_promotions_say_why() -> None:
    text = printed(promotions_table(nights.promotions(), nights.CLICKS))
    assert "linear_thompson uniform kept +0.129 pp −0.201 pp 3" in text
    assert "effective samples 612 < 1000" in text


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
