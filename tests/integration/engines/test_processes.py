"""Where tasks run: in which processes, with how many threads, and what those keep."""

import gc
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_info, threadpool_limits

from nightslate.engines import LocalEngine
from nightslate.engines.spark import SparkEngine


def process(_):
    return pa.table({"pid": [os.getpid()]})


def test_other_processes_are_started_where_there_is_enough_to_do(engine, monkeypatch):
    pids = {made["pid"][0].as_py() for made in engine.run(process, range(8), rows=8)}
    elsewhere = engine != LocalEngine(processes=1)
    assert (os.getpid() not in pids) == elsewhere
    if isinstance(engine, LocalEngine):
        (one_item,) = engine.run(process, [0], rows=10**9)
        assert one_item["pid"][0].as_py() == os.getpid()
        monkeypatch.setattr("nightslate.engines.local.FEW_ROWS", 8)
        assert {made["pid"][0].as_py() for made in engine.run(process, range(8), rows=8)} == {os.getpid()}
        more = {made["pid"][0].as_py() for made in engine.run(process, range(8), rows=9)}
        assert (os.getpid() not in more) == elsewhere


def threads(_):
    _ = np.ones((4, 4)) @ np.ones((4, 4))
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return pa.table({"threads": pa.array(blas, pa.int64())})


def test_each_task_has_one_thread_for_its_sums(engine, monkeypatch):
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(variable, "2")
    get_reusable_executor().shutdown(wait=True)  # workers that start from now on would have two
    with threadpool_limits(limits=2):
        for made in engine.run(threads, range(4), rows=4):
            assert set(made["threads"].to_pylist()) == {1}


def test_a_library_that_is_imported_late_has_one_thread_too():
    script = """
import nightslate.engines.threads as threads
from threadpoolctl import threadpool_info

with threads.one_blas_thread():
    known = len(threadpool_info())
import scipy.linalg
with threads.one_blas_thread():
    assert len(threadpool_info()) > known
    assert {pool["num_threads"] for pool in threadpool_info()} == {1}
assert {pool["num_threads"] for pool in threadpool_info()} == {2}
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


def test_a_night_on_one_machine_needs_nothing_of_spark():
    script = (
        "import sys, nightslate.engines, nightslate.pipeline.night;"
        "assert not [name for name in sys.modules if name.partition('.')[0] in ('pyspark', 'py4j')]"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def set_aside(_):
    return pa.table({"objects": [gc.get_freeze_count()]})


def test_what_workers_of_spark_have_imported_is_not_gone_through_after_each_task(spark):
    """It takes longer than a small task does."""
    made = [
        rows["objects"][0].as_py() for _ in range(4) for rows in SparkEngine(spark).run(set_aside, [0, 1], 2)
    ]
    assert made[-1] > 10_000
