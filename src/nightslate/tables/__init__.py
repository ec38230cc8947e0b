"""Delta tables: pinned reads, staged writes, verification, fenced publishing, rollback and vacuum.

No step writes to a table directly. A step stages files, `verify` reads them back, `publish` makes them a
day's rows by one commit that only the newest attempt can win. A reader holds a snapshot: the old rows or the
new, never a mixture.
"""

from nightslate.tables.snapshot import Commit, DataFile, Snapshot
from nightslate.tables.staging import Attempt, Staged
from nightslate.tables.table import Table
from nightslate.tables.warehouse import Warehouse, open_to_all

__all__ = ["Attempt", "Commit", "DataFile", "Snapshot", "Staged", "Table", "Warehouse", "open_to_all"]
