"""`killed.py HOME ARGUMENTS...`: runs `nightslate land ARGUMENTS` in a process of its own for each line on
standard input, and says how it ended.

A line is `FOLDER MOMENT`: the warehouse below HOME, and when it is killed. 7: by SIGKILL before the 7th
change of a file in the warehouse, of which writing is three: opening it, half of it, all of it. .25s: by
SIGALRM, which nobody handles either, after so many seconds. 0: it is left alone. The processes are forked
from this one, which has imported everything: that takes seconds, a run a moment. They leave what they write
to the kernel, which no signal kills.
"""

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


os.fsync = lambda _: None
home, *arguments = sys.argv[1:]
for line in sys.stdin:
    name, moment = line.split()
    folder = str(Path(home, name))
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.environ["NIGHTSLATE_HOME"] = folder
        if moment.endswith("s"):
            signal.setitimer(signal.ITIMER_REAL, float(moment[:-1]))
        else:
            kill_before(int(moment), folder)
        sys.argv = ["nightslate", "land", *arguments]
        main()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
