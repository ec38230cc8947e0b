"""So many messages a second, evenly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Pace:
    """`wait` returns so many times a second at most. clock: seconds that only grow."""

    per_second: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    _next: float = field(default=float("-inf"), init=False)

    def wait(self) -> None:
        """Until the next message may go: what was not used before is not caught up."""
        early = self._next - self.clock()
        if early > 0:
            self.sleep(early)
        self._next = max(self._next, self.clock()) + 1 / self.per_second
