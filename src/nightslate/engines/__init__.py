"""Who runs kernels over buckets of users: Spark on a cluster, or the processes of one machine. What comes out
is the same on both: units follow from the table, a kernel sees one of them, and what it gives is taken in
their order."""

from nightslate.engines.engine import Engine, Mergeable
from nightslate.engines.local import LocalEngine
from nightslate.engines.work import Input, Tables, Withdrawals, Work

__all__ = ["Engine", "Input", "LocalEngine", "Mergeable", "Tables", "Withdrawals", "Work"]
