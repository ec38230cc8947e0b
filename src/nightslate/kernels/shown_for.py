"""Which issue an impression was shown for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts.contract import ISSUE
from nightslate.kernels.verdicts import rejected


@dataclass(frozen=True)
class ShownFor:
    """`arms`: those of each issue; `slots`: how many each fills. A row says its issue itself, or its slate
    does; otherwise it is the one that alone has the arm. Whatever can't be told is rejected, and nothing is
    guessed."""

    arms: Mapping[str, Sequence[str]]
    slots: Mapping[str, int]

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The rows with their `issue`, and with a verdict."""
        issues = list(self.arms)
        if len(issues) == 1:
            found = pc.fill_null(rows[ISSUE], issues[0])
        else:
            found = pc.coalesce(rows[ISSUE], self._by_arm(rows["arm_id"]))
        at = rows.schema.get_field_index(ISSUE)
        sound = rows["_reason"].is_null()
        filled = rows.set_column(at, rows.schema.field(at), pc.if_else(sound, found, rows[ISSUE]))
        unknown = pc.and_(found.is_valid(), pc.invert(pc.is_in(found, pa.array(issues, pa.string()))))
        filled = rejected(filled, unknown, "not_allowed", f"{ISSUE} is one of {', '.join(issues)}")
        clause = f"{ISSUE} is required where an arm is of several issues, or of none"
        filled = rejected(filled, found.is_null(), "required", clause)
        for issue, slots in self.slots.items():
            beyond = pc.and_(pc.equal(filled[ISSUE], issue), pc.greater(filled["slot"], slots))
            clause = f"slot <= {slots} of the issue {issue}"
            filled = rejected(filled, pc.fill_null(beyond, False), "out_of_range", clause)
        return filled

    def _by_arm(self, arm_ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """The one issue that has the arm; null where none has it, or several."""
        issues: dict[str, list[str]] = {}
        for issue, arms in self.arms.items():
            for arm in arms:
                issues.setdefault(arm, []).append(issue)
        alone = {arm: of[0] for arm, of in issues.items() if len(of) == 1}
        place = pc.index_in(arm_ids, pa.array(list(alone), pa.string()))
        return pa.array(list(alone.values()), pa.string()).take(place.combine_chunks())
