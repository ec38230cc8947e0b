"""Nights that check their rows at the same time."""

import fcntl
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from nightslate.contracts import load
from nightslate.contracts import spark as spark_contracts
from nightslate.errors import CommitConflictError
from nightslate.frames import checkpoint


def test_a_night_waits_until_others_have_left_the_data_docs(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = load("unattributed")
    rows = spark.createDataFrame([], spark_contracts.schema(contract))
    monkeypatch.setattr(checkpoint, "PATIENCE_SECONDS", 0.3)
    (tmp_path / "gx").mkdir()
    with (tmp_path / "gx" / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CommitConflictError, match="try again"):
            checkpoint.check({"shop unattributed": (rows, contract)}, tmp_path)
    checkpoint.check({"shop unattributed": (rows, contract)}, tmp_path)
    assert list(tmp_path.rglob("index.html"))
