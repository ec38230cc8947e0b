"""Bars that show how far a command is."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from nightslate.cli.app import errors


class Bars(Progress):
    """A bar for each thing that is under way, on a terminal's standard error."""

    def __init__(self) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        super().__init__(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._bars: dict[str, TaskID] = {}

    def show(self, name: str, done: int, total: int) -> None:
        """So much of it is done."""
        if name not in self._bars:
            self._bars[name] = self.add_task(name, total=total)
        self.update(self._bars[name], completed=done)
