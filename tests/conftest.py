import logging
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from nightslate.frames.session import spark_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One local Spark for all tests that need it."""
    # It says goodbye after pytest has closed the stream that it would log to.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    session = spark_session("tests")
    yield session
    session.stop()
