"""What the app takes in of a user who asked to be forgotten: nothing, from then on."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.pipeline.test_plan import program

from nightslate.errors import ContractError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.online.intake import Intake
from nightslate.pipeline.night import Night

DAY = date(2026, 11, 16)


def test_a_user_who_is_forgotten_is_refused_at_once(tmp_path: Path) -> None:
    key = Pseudonymiser(b"a key of the tests alone", "1")
    intake = Intake(Night(program(), DAY, tmp_path), key)
    assert intake.user("ann", {}, DAY)["user_id"].to_pylist() == key(pa.array(["ann"])).to_pylist()
    folder = tmp_path / "forgotten" / "shop"
    folder.mkdir(parents=True)
    (folder / str(key.tags(key(pa.array(["ann"])))[0])).touch()
    with pytest.raises(ContractError, match="nobody who asked to be forgotten"):
        intake.user("ann", {}, DAY)
    assert intake.user("bob", {}, DAY).num_rows == 1
