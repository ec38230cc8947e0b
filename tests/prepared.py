"""Processes that begin with all that they need imported, which takes longer than most of what they then do.

`Prepared(module)` is a Python that has imported a module and does nothing else; each process that it starts
is a fork of it, which calls the module's `main`. As a script this is that Python: `prepared.py MODULE...`."""

import json
import os
import select
import signal
import subprocess
import sys
from importlib import import_module
from typing import Self


class Prepared:
    """Starts one process after another, each in the environment that the test has by then."""

    def __init__(self, module: str, *needed: str) -> None:
        self._python = subprocess.Popen(
            [sys.executable, __file__, module, *needed],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def start(self, *arguments: str, **environment: str) -> "Process":
        asked = {"arguments": arguments, "environment": {**os.environ, **environment}}
        self._python.stdin.write(f"{json.dumps(asked)}\n".encode())
        return Process(int(self._python.stdout.readline()), self._python.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._python.stdin.close()
        self._python.stdout.close()
        self._python.wait(60)


class Process:
    """What subprocess.Popen says of a process, as far as it is asked."""

    def __init__(self, pid: int, ended) -> None:
        self.pid, self._ended = pid, ended
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self.returncode = int(self._ended.readline())
        return self.returncode

    def wait(self, seconds: float) -> int:
        select.select([self._ended], [], [], 0 if self.returncode is not None else seconds)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", seconds)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def serve(module: str, *needed: str) -> None:
    main = import_module(module).main
    for name in needed:
        import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # what is said here goes to who reads it elsewhere
            os.environ.clear()
            os.environ.update(asked["environment"])
            sys.exit(main(*asked["arguments"]))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
