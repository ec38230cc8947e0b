from pathlib import Path

from nightslate.contracts import load, tables
from nightslate.contracts.markdown import page

DOCS = Path(__file__).parents[3] / "docs" / "tables.md"


def test_the_data_dictionary_in_docs_is_up_to_date() -> None:
    written = page(load(table) for table in tables())
    assert DOCS.read_text() == written, "python -m nightslate.contracts.markdown > docs/tables.md"


def test_a_column_shows_its_rules() -> None:
    assert "| `propensity` | `double` | no | > 0, <= 1 |" in page([load("impressions")])
