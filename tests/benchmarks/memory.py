"""Memory of a process and all its descendants over time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import psutil

INTERVAL_SECONDS = (
    0.5  # the kernel walks all pages to answer: much more often, and the watching is what is measured
)


@dataclass(frozen=True)
class Sample:
    """Bytes by kind of process at one moment (seconds since the epoch).

    Proportional set sizes: pages that processes share, as forked Spark workers do, count once in the sum.
    """

    at: float
    driver: int
    jvm: int
    workers: int

    @property
    def total(self) -> int:
        return self.driver + self.jvm + self.workers


@dataclass
class MemorySampler:
    """Samples the tree of `process` in a thread, until the block ends."""

    process: psutil.Process
    samples: list[Sample] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> MemorySampler:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def peak(self, since: float, until: float) -> Sample | None:
        """The sample with the most memory between two moments; None if none was taken."""
        between = [sample for sample in self.samples if since <= sample.at <= until]
        return max(between, key=lambda sample: sample.total, default=None)

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self.samples.append(self._sample())

    def _sample(self) -> Sample:
        sizes = {"driver": 0, "jvm": 0, "workers": 0}
        at = time.time()
        for process in self._tree():
            try:
                sizes[self._kind(process)] += process.memory_full_info().pss
            except psutil.Error:  # it has ended meanwhile
                continue
        return Sample(at, **sizes)

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _kind(self, process: psutil.Process) -> str:
        if process.pid == self.process.pid:
            return "driver"
        return "jvm" if process.name() == "java" else "workers"
