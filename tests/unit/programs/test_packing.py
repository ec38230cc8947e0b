"""A program's text as one word."""

import re
from pathlib import Path

import pytest

from nightslate.errors import SpecError
from nightslate.programs import pack, parse, unpack

DAGS = Path(__file__).parents[3] / "dags"


@pytest.mark.parametrize("text", ["", "program: Zürich 🎲\n", "{{ ds }} $HOME 'quoted' " * 1000])
def test_a_text_comes_back_and_its_word_means_nothing_to_a_shell_or_a_template(text):
    assert unpack(pack(text)) == text
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", pack(text))


@pytest.mark.parametrize("file", sorted(DAGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_program_fits_on_a_command_line(file):
    word = pack(file.read_text())
    assert len(word) < 4000
    assert parse(unpack(word), file.stem).program == file.stem


@pytest.mark.parametrize("word", ["", "no such text", pack("program: shop")[:-8], "{{}}"])
def test_what_is_no_packed_text_is_an_error_of_ours(word):
    with pytest.raises(SpecError, match="packed"):
        unpack(word)
