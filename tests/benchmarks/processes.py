"""Work in processes of their own."""

import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import scipy.linalg  # noqa: F401  with numpy the libraries whose threads would fight over the cores: loaded first
from threadpoolctl import threadpool_limits


def use_one_thread() -> None:
    """In a process that works beside others: they share the cores."""
    threadpool_limits(1)


def alone(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds and bytes at most, in a process of its own."""
    receive, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(work, send))
    process.start()
    seconds, peak = receive.recv()
    process.join()
    return seconds, peak


def _measured(work: Callable[[], None], send: Connection) -> None:
    began = time.perf_counter()
    work()
    send.send((time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
