"""The Spark session of a night."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

_GREETING, _END = b"WARNING: Using incubator modules", b"\0\n"
_LOGGING = Path(__file__).with_name("log4j2.properties")
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    # A small frame in memory need not keep as many partitions as the shuffle that made it.
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",
    "spark.driver.maxResultSize": "4g",  # states of learners that keep rows come to the driver
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
}


def spark_session(name: str) -> SparkSession:
    """A session with the settings that the tables rely on; spark-submit decides where it runs.

    One BLAS thread a worker: Spark already uses every core, and sums then never depend on the thread count.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    quiet = "ignore:PySpark does not yet fully support pandas:FutureWarning"
    os.environ.setdefault("PYTHONWARNINGS", quiet)  # of the workers
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    conf = SparkConf().setAppName(name).setAll([*_SETTINGS.items()])
    if not {"SPARK_ENV_LOADED", "SPARK_REMOTE"} & os.environ.keys():  # nobody else's: Spark in this process
        conf = conf.setAll([*_of_one_process().items()])
        if SparkContext._gateway is None:
            SparkContext(conf=conf, gateway=_quiet_gateway(conf))
    return SparkSession.builder.config(conf=conf).getOrCreate()


def _of_one_process() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0))
    return {
        "spark.master": f"local[{cores}]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.driver.defaultJavaOptions": f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}",
        "spark.sql.shuffle.partitions": str(2 * cores),
    }


def _quiet_gateway(conf: SparkConf) -> Any:
    """Starts Java. What it writes to stderr, for itself and for the workers, goes on to ours, but for its
    greeting: Spark asks for a module of which Java always warns."""
    theirs, ours = os.pipe()
    passing = threading.Thread(target=_pass_on, args=(theirs,), daemon=True)
    passing.start()

    def pass_on_the_rest() -> None:
        os.write(ours, _END)
        passing.join(timeout=5)

    atexit.register(pass_on_the_rest)
    return launch_gateway(conf, {"stderr": ours})  # type: ignore[no-untyped-call]


def _pass_on(theirs: int) -> None:
    with os.fdopen(theirs, "rb") as lines:
        for line in lines:
            if not line.startswith(_GREETING):
                os.write(2, line.removesuffix(_END))
            if line.endswith(_END):
                return
