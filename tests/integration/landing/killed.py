"""Runs `nightslate land` in processes of their own, some of which are killed, and says how they ended.

A line on standard input is a JSON list of runs that start at once, each [HOME, MOMENT, ARGUMENTS]: the
warehouse, when it is killed, and what the command is asked for. MOMENT "7": by SIGKILL before the 7th change
of a file in the warehouse, of which writing is three: opening it, half of it, all of it. ".25s": by SIGALRM,
which nobody handles either, after so many seconds. "0": it is left alone.

The processes are forked from this one, which has imported everything: that takes seconds, a run a moment.
They leave what they write to the kernel, which no signal kills.
"""

import json
import os
import signal
import sys
from pathlib import Path

import confluent_kafka.admin  # noqa: F401 (imported once, for all runs)

from nightslate.cli import main
from nightslate.landing import land, objects, options, topic  # noqa: F401 (likewise)

CHANGES = {"open", "os.link", "os.remove", "os.mkdir"}


def kill_before(moment: int, folder: str) -> None:
    """Have this process killed before a change of a file in the folder."""
    passed = 0

    def pass_one() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, given: tuple[object, ...]) -> None:
        if event in CHANGES and str(given[0]).startswith(folder):
            pass_one()

    def write_in_two(path: Path, content: bytes) -> None:
        half = passed + 2 == moment  # after the one that opens it
        write(path, content[: len(content) // 2] if half else content)
        pass_one()
        pass_one()

    write = objects._write
    objects._write = write_in_two
    sys.addaudithook(watch)


def started(home: str, moment: str, arguments: list[str]) -> int:
    """The process that runs the command."""
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.environ["NIGHTSLATE_HOME"] = home
        if moment.endswith("s"):
            signal.setitimer(signal.ITIMER_REAL, float(moment[:-1]))
        else:
            kill_before(int(moment), home)
        sys.argv = ["nightslate", "land", *arguments]
        main()
        os._exit(0)
    return pid


os.fsync = lambda _: None
for line in sys.stdin:
    pids = [started(*run) for run in json.loads(line)]
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]), flush=True)
