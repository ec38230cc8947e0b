"""The Spark session of a night."""

from __future__ import annotations

import os
import sys

from pyspark.sql import SparkSession


def spark_session(name: str) -> SparkSession:
    """A session with the settings that the tables rely on; spark-submit decides where it runs.

    One BLAS thread a worker: Spark already uses every core, and sums then never depend on the thread count.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # pyspark 4.3 warns of pandas 3 at every worker's start; the Arrow paths used here don't touch pandas.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:PySpark does not yet fully support pandas:FutureWarning")
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    builder = (
        SparkSession.builder.appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.hadoop.parquet.page.verify-checksum.enabled", "true")
        .config("spark.sql.adaptive.coalescePartitions.parallelismFirst", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "65536")
        # A small frame in memory need not keep as many partitions as the shuffle that made it.
        .config("spark.sql.optimizer.canChangeCachedPlanOutputPartitioning", "true")
        .config("spark.driver.maxResultSize", "4g")  # states of learners that keep rows come to the driver
        .config("spark.executorEnv.OMP_NUM_THREADS", "1")
        .config("spark.executorEnv.OPENBLAS_NUM_THREADS", "1")
    )
    if "SPARK_ENV_LOADED" not in os.environ:  # not under spark-submit: one process on this machine
        cores = len(os.sched_getaffinity(0))
        builder = (
            builder.master(f"local[{cores}]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.memory", "2g")
            .config("spark.sql.shuffle.partitions", str(2 * cores))
        )
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
