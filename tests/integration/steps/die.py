"""Runs one step, and dies by SIGKILL at the given call of a method: see test_killed.py."""

import importlib
import os
import signal
import sys

from nightslate.steps import Night, run_step

place, method, at, step, day = sys.argv[1:]
module, name = place.rsplit(".", 1)
owner = getattr(importlib.import_module(module), name)
original, calls = getattr(owner, method), [0]


def fatal(*args, **kwargs):
    calls[0] += 1
    if calls[0] == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)


setattr(owner, method, fatal)
run_step(step, Night.of("tiny", day))
