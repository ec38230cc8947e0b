import logging
import sys
from collections.abc import Iterator

import hypothesis
import pytest
from pyspark.sql import SparkSession

from nightslate.engines.spark.session import spark_session

# pyspark takes a main module without a file, which pytest's parallel workers have, for its own doctests: it
# exits without a word.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One local Spark for all tests that need it."""
    # It says goodbye after pytest has closed the stream that it would log to.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    session = spark_session("tests")
    # Many plans over few rows: to compile each takes longer than to interpret it. End to end it is compiled.
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    yield session
    session.stop()
