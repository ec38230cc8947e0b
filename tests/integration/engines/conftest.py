from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from tests.unit.kernels.landed import CONFORMER

from nightslate.engines import Engine, LocalEngine
from nightslate.kernels.buckets import buckets_of
from nightslate.pipeline.log_intake import take_in

from .taking_in import ALONE, night


@pytest.fixture(scope="module", params=["one process", "two processes", "Spark"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine; the one of two processes starts them for the least that there is to do."""
    with pytest.MonkeyPatch.context() as few:
        few.setattr("nightslate.engines.local.FEW_ROWS", -1)
        if request.param == "Spark":
            from nightslate.engines.spark import SparkEngine

            yield SparkEngine(request.getfixturevalue("spark"))
        else:
            yield LocalEngine(processes=1 if request.param == "one process" else 2)


@pytest.fixture
def taken(tmp_path):
    """Takes in some files by itself, each time into a warehouse of its own."""

    def take(files, completion=None, engine=ALONE, buckets=7):
        home = tmp_path / f"home-{len(list(tmp_path.iterdir()))}"
        mine = night(home, engine, buckets)
        found = take_in(mine, mine.table("impressions"), files, CONFORMER, completion)
        scratch = mine.warehouse.scratch(mine.name)
        assert [path for path in scratch.rglob("*") if path.is_file()] == []
        mine.table("impressions").verify(found.staged)
        for file in found.staged.data_files:
            assert set(buckets_of(pq.read_table(file.path), buckets)) == {file.bucket}
        return found

    return take
