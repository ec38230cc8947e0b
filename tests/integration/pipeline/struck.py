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

from nightslate import cli


def main(sign: str, call: str, step: str, when: str, place: str, name: str, *command: str) -> None:
    running: list[str] = []
    passed: list[str] = []

    def strike(moment: str) -> None:
        if running and moment == when:
            passed.append(moment)
            if len(passed) == int(call):
                os.kill(os.getpid(), signal.Signals[sign])

    patched(resolve_name(place), name, lambda: strike("before"), lambda: strike("after"))
    module = step if "." in step else f"nightslate.pipeline.steps.{step}"
    patched(import_module(module), "run", lambda: running.append(step), running.clear)
    sys.argv = ["nightslate", *command]
    cli.main()


def patched(owner, name, before, after):
    original = getattr(owner, name)

    def called(*args, **kwargs):
        before()
        result = original(*args, **kwargs)
        after()
        return result

    setattr(owner, name, called)


if __name__ == "__main__":
    main(*sys.argv[1:])
