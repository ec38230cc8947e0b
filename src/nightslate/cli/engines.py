"""The engine of a program's nights, for commands: unless it was chosen, the processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightslate.programs import Program, engine_of

if TYPE_CHECKING:
    from nightslate.engines import Engine


def engine_for(program: Program) -> Engine:
    """What the program or $NIGHTSLATE_ENGINE says. Spark starts here, and nowhere else is it imported."""
    return spark_engine(program.program) if engine_of(program, "local") == "spark" else _local_engine()


def spark_engine(name: str) -> Engine:
    """Spark, under this name; where it runs is for spark-submit to say."""
    from nightslate.engines.spark import SparkEngine, spark_session

    return SparkEngine(spark_session(name))


def _local_engine() -> Engine:
    from nightslate.engines import LocalEngine

    return LocalEngine()
