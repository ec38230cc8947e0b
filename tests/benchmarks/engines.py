"""The engines that nights are measured on, by name."""

from __future__ import annotations

from importlib import import_module

from nightslate.engines import Engine, LocalEngine

ENGINES = ("local", "Spark")


def engine(name: str) -> Engine:
    """One of them. Nothing of Spark is imported before it is asked for."""
    if name == "local":
        return LocalEngine()
    spark = import_module("nightslate.engines.spark")
    return spark.SparkEngine(spark.spark_session("benchmark"))
