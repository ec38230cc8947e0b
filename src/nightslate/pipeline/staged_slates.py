"""The slates of tonight, of all issues: staged, or published by now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nightslate.pipeline.night import Night
from nightslate.tables import DataFile, Table


def all_published(night: Night, slates: Table) -> bool:
    """Whether readers see those of every issue."""
    of_issues = (slates.of_issue(issue) for issue in night.program.issues)
    return all(each.is_published(each.staged(night.slate_date)) for each in of_issues)


@contextmanager
def unless_published(are_published: Callable[[], bool]) -> Iterator[None]:
    """What fails within counts for nothing where the slates are published by then: files vanish where another
    process has published them meanwhile, and that is the news."""
    try:
        yield
    except Exception:
        if not are_published():
            raise


def slate_files(night: Night, slates: Table) -> Iterator[DataFile]:
    """Those that are staged; of issues that are published by now, those that readers see."""
    for issue in night.program.issues:
        of_issue = slates.of_issue(issue)
        staged = of_issue.staged(night.slate_date)
        if of_issue.is_published(staged):
            yield from of_issue.snapshot().files(night.slate_date, night.slate_date)
        else:
            yield from staged.data_files
