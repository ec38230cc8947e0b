import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from nightslate.contracts.odcs import SCHEMAS, read
from nightslate.errors import SpecError

FILES = sorted(SCHEMAS.glob("*.yaml"))


def rewritten(folder: Path, old: str, new: str) -> Path:
    text = (SCHEMAS / "users.odcs.yaml").read_text()
    assert old in text
    path = folder / "users.odcs.yaml"
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_follows_the_standard_to_the_letter(path: Path) -> None:
    # The package's models let unknown keys pass; the standard's own JSON schema does not.
    standard = json.loads(OpenDataContractStandard.json_schema())
    jsonschema.validate(yaml.safe_load(path.read_text()), standard)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_logical_type_agrees_with_the_physical_one(path: Path) -> None:
    logical = {
        "string": "string",
        "int": "integer",
        "bigint": "integer",
        "float": "number",
        "double": "number",
        "date": "date",
        "timestamp": "timestamp",
        "boolean": "boolean",
    }
    for column in yaml.safe_load(path.read_text())["schema"][0]["properties"]:
        if column["logicalType"] == "array":
            item = column["items"]
            assert column["physicalType"] == f"ARRAY<{item['physicalType']}>"
            column = item
        assert column["logicalType"] == logical[column["physicalType"].lower()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_column_is_explained(path: Path) -> None:
    contract = read(path)
    assert contract.description
    assert contract.grain
    assert all(column.description for column in contract.columns)
    assert all(contract.column(name) for name in contract.key)


def test_a_python_tag_is_refused(tmp_path: Path) -> None:
    path = rewritten(tmp_path, "status: active", "status: !!python/name:os.system")
    with pytest.raises(SpecError, match=r"users\.odcs\.yaml: .*python/name"):
        read(path)


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"users\.odcs\.yaml: .*unknown type 'varchar'"):
        read(rewritten(tmp_path, "physicalType: STRING", "physicalType: VARCHAR"))


def test_a_table_without_partition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the last, must be partitioned"):
        read(rewritten(tmp_path, "partitioned: true", "partitioned: false"))


def test_a_file_is_named_after_its_table(tmp_path: Path) -> None:
    path = rewritten(tmp_path, "status: active", "status: draft")
    with pytest.raises(SpecError, match="name the file after it"):
        read(path.rename(tmp_path / "people.odcs.yaml"))
