from collections.abc import Iterator

import pytest

from nightslate.engines import Engine, LocalEngine


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
