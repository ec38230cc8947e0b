"""A Spark cluster, or Spark in one process: what a night outgrows one machine on."""

from nightslate.engines.spark.engine import SparkEngine
from nightslate.engines.spark.session import spark_session

__all__ = ["SparkEngine", "spark_session"]
