"""One BLAS thread at a time: sums then never depend on the number of cores."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """As long as the block lasts, each library that computes in this process does so in one thread."""
    limited: AbstractContextManager[Any] = _libraries(len(sys.modules)).limit(limits=1)
    return limited


@lru_cache(maxsize=1)
def _libraries(imported: int) -> ThreadpoolController:  # noqa: ARG001 -- the cache goes by it
    """What has threads. To look for it takes milliseconds, and finds the same until more is `imported`."""
    return ThreadpoolController()
