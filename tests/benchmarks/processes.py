"""What a process does that works through simulated logs beside others."""

import scipy.linalg  # noqa: F401  with numpy the libraries whose threads would fight over the cores: loaded first
from threadpoolctl import threadpool_limits


def use_one_thread() -> None:
    """Workers share the cores."""
    threadpool_limits(1)
