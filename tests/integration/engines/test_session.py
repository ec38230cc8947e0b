"""What a command says is nightslate's: Spark, Java and pandas greet nobody, and errors still get through."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

SCRIPT = """
import sys
from nightslate.engines.spark.session import spark_session

spark = spark_session("quiet")


def told(batches):
    for batch in batches:
        print("a worker's last words", file=sys.stderr, flush=True)
        yield batch


assert spark.range(3, numPartitions=1).mapInArrow(told, "id long").toArrow().num_rows == 3
spark._jvm.java.lang.System.err.println("Java's last words")
"""


def test_a_session_says_nothing_but_what_is_wrong() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_TOOL_OPTIONS"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == ""
    assert run.stderr.splitlines() == ["a worker's last words", "Java's last words"]
