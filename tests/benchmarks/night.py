"""The process that the benchmark watches: nights of one program in a row, a JSON line for each thing done.

`python -m tests.benchmarks.night ENGINE PROGRAM [-STEP...] DS...`, without these steps. Imports, the engine's
start and the work of the steps are timed apart: what a step imports is imported just before it runs. Nothing
of nightslate is imported before the clock runs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import psutil

USES_MLFLOW = ("train", "evaluate", "promote", "score", "report")


@contextmanager
def timed(night: str, kind: str, name: str) -> Iterator[dict[str, str]]:
    said: dict[str, str] = {}
    began = time.time()
    yield said
    line = {"night": night, "kind": kind, "name": name, "began": began, "ended": time.time(), **said}
    print(json.dumps(line), flush=True)


def main(engine: str, program: str, *days_and_left_out: str) -> None:
    """Run the nights, the first of them in a process that has done nothing yet."""
    days = [each for each in days_and_left_out if not each.startswith("-")]
    started = psutil.Process().create_time()
    line = {"night": days[0], "kind": "start-up", "name": "Python", "began": started, "ended": time.time()}
    print(json.dumps(line), flush=True)
    with timed(days[0], "start-up", "imports that all steps share"):
        import_module("nightslate.engines")
        running = import_module("nightslate.pipeline.running")
        program_night = import_module("nightslate.pipeline.night").Night.named
        plan = import_module("nightslate.pipeline.plan").plan
    for day in days:
        with timed(day, "start-up", "engine"):
            runs = import_module("tests.benchmarks.engines").engine(engine)
        night = program_night(program, day).on(runs)
        for task in plan(night.program):
            step = task.step
            if f"-{step.name}" in days_and_left_out:
                continue
            with timed(day, "imports", step.name):
                step.run()
                if step.name in USES_MLFLOW:
                    import_module("nightslate.models.tracking")
            with timed(day, "step", step.name) as said:
                said["done"] = running.run_task(task, night)


if __name__ == "__main__":
    main(*sys.argv[1:])
