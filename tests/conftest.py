from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from nightslate.frames.session import spark_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One local Spark for all tests that need it."""
    session = spark_session("tests")
    yield session
    session.stop()
