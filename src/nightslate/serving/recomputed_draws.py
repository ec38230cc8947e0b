"""Of served decisions that issue was drawn, recomputed by the models that the decision names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Keys
from nightslate.core.hashing import hex_to_uint64
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.audit import TOLERANCE
from nightslate.kernels.buckets import user_keys
from nightslate.programs.issue_choice import IssueChoice
from nightslate.serving.issue_draws import OneOfIssues
from nightslate.serving.released import Released, named

_EVERYBODY = "everybody"


@dataclass(frozen=True)
class RecomputedDraws:
    """Of the decisions of a day. issues: among which one is drawn. declared: how, by releases that do not say
    it. released, gone: see `RecomputedDecisions`."""

    day: date
    issues: Collection[str]
    declared: IssueChoice
    released: Mapping[str, Released]
    gone: Collection[str]

    def __call__(self, rows: pa.Table) -> tuple[Bools, Bools]:
        """(n,) of which rows the issue or its probability is not what was drawn, and of which nobody can tell
        any more. rows: impressions of valid decision ids, with the contexts that their users had."""
        wrong, unknown = np.zeros(rows.num_rows, dtype=np.bool_), np.zeros(rows.num_rows, dtype=np.bool_)
        drawn = rows["issue_probability"].is_valid().to_pylist()
        said = rows["issue_models"].to_pylist()
        of_draws = [
            tuple(names or ()) if is_drawn else None for names, is_drawn in zip(said, drawn, strict=True)
        ]
        for names in {*of_draws}:
            mine = np.array([each == names for each in of_draws], dtype=np.bool_)
            if names is not None:
                wrong[mine], unknown[mine] = self._by(names, rows.filter(pa.array(mine)))
        return wrong, unknown

    def _by(self, names: Sequence[str], rows: pa.Table) -> tuple[Bools | bool, Bools | bool]:
        """As above, of rows that name the same models."""
        digests = [name.rpartition("/")[2] for name in names]
        if not digests or any(digest in self.gone for digest in digests):
            return False, True
        found = [self.released[digest] for digest in digests if digest in self.released]
        issues = {each.release.issue: each for each in found}
        if [named(each.release) for each in found] != [*names] or issues.keys() != {*self.issues}:
            return True, False
        everybody = Assignment.at_first(_EVERYBODY, {_EVERYBODY: 1.0}, self.day)
        of_issues = {issue: (everybody, {_EVERYBODY: each}) for issue, each in issues.items()}
        wrong = self._drawn_otherwise(OneOfIssues.released(self.declared, of_issues), rows)
        unknown, keys = np.zeros_like(wrong), user_keys(rows)
        for each in found:
            others = ~shown_to(each, keys)
            wrong |= others & each.complete
            unknown |= others & (not each.complete)
        return wrong, unknown & ~wrong

    def _drawn_otherwise(self, choice: OneOfIssues, rows: pa.Table) -> Bools:
        """(n,) which rows say that their issue was drawn, and this does not draw it so."""
        chances, said = choice.chances(rows), rows["issue_probability"].to_numpy()
        concerned, ids = chances.any(axis=1), np.array(rows["decision_id"].to_pylist(), dtype=np.str_)
        place = np.zeros(rows.num_rows, dtype=np.int64)
        if concerned.any():
            some = rows.filter(pa.array(concerned))
            place[concerned] = choice.drawn(some, chances[concerned], hex_to_uint64(ids[concerned]), self.day)
        names = np.array(choice.names)[place]
        expected = chances[np.arange(rows.num_rows), place]
        with np.errstate(invalid="ignore", divide="ignore"):
            exact = np.abs(said / expected - 1) <= TOLERANCE
        issues = np.array(rows["issue"].to_pylist(), dtype=np.str_)
        return np.asarray(~(concerned & (names == issues) & exact))


def shown_to(released: Released, keys: Keys) -> Bools:
    """(n,) which users may have been in a variant that shows the model. keys: `user_keys`."""
    found, variants = np.zeros(len(keys), dtype=np.bool_), [*released.release.variants]
    for assignment in released.assignments:
        found |= np.isin(assignment.variants(keys), variants)
    return found
