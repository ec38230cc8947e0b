"""A command of nightslate that a signal strikes:
`struck.py SIGNAL CALL STEP before|after PLACE NAME COMMAND...`.

The process sends itself the signal before or after the CALL-th call of PLACE.NAME in the step, from 1. STEP
may be a module whose `run` is meant, too.
"""

import os
import signal
import sys
from importlib import import_module
from pkgutil import resolve_name

from nightslate.cli import main

sign, call, step, when, place, name, *command = sys.argv[1:]
running, passed = [], []


def strike(moment: str) -> None:
    if running and moment == when:
        passed.append(moment)
        if len(passed) == int(call):
            os.kill(os.getpid(), signal.Signals[sign])


def patched(owner, name, before, after):
    original = getattr(owner, name)

    def called(*args, **kwargs):
        before()
        result = original(*args, **kwargs)
        after()
        return result

    setattr(owner, name, called)


patched(resolve_name(place), name, lambda: strike("before"), lambda: strike("after"))
module = step if "." in step else f"nightslate.pipeline.steps.{step}"
patched(import_module(module), "run", lambda: running.append(step), running.clear)
sys.argv = ["nightslate", *command]
main()
