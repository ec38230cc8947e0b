"""States that updates of a day keep from one to the next, each under a name that says all that it is made of:
who finds a file finds what it would learn anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from nightslate.core import npz
from nightslate.engines import Input
from nightslate.kernels.training import Lessons
from nightslate.landing.objects import put_settled
from nightslate.pipeline.hourly_lessons import HourLesson, Taught
from nightslate.pipeline.matured_logs import Logs

_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class KeptStates:
    """Those of one issue, in a folder that tasks reach. `program`: its digest."""

    folder: Path
    program: str

    def name_of(self, what: str, lessons: Lessons | None, files: Logs | None) -> str:
        """A name for what is made of these files, which nobody changes once they are there, for these
        lessons."""
        taught = (
            None
            if lessons is None
            else [sorted(map(repr, lessons.learners.items())), lessons.arms, lessons.encoder.to_json()]
        )
        read = None if files is None else {name: _paths(given) for name, given in files.work.inputs.items()}
        known = files.matured.features if files else None
        if read is not None and known and known.of_arms:
            read["features_of_arms"] = [known.of_arms.digest]
        return _sha256(json.dumps([what, self.program, taught, read], sort_keys=True, default=str).encode())

    def find(self, name: str, initial: Mapping[str, Any]) -> dict[str, Any] | None:
        """The states of that name, each of the type that it has in `initial`; None where they are not kept,
        or not whole."""
        file = self.folder / name
        content = file.read_bytes() if file.is_file() else b""
        digest, archive = content[:_DIGEST], content[_DIGEST:]
        if not archive or hashlib.sha256(archive).digest() != digest:
            return None
        arrays = npz.unpack(archive)
        return {
            key: type(state).from_arrays(
                {
                    field.removeprefix(f"{key}/"): value
                    for field, value in arrays.items()
                    if field.startswith(f"{key}/")
                }
            )
            for key, state in initial.items()
        }

    def keep(self, name: str, states: Mapping[str, Any]) -> None:
        """Put them where `find` finds them."""
        fields = {
            f"{key}/{field}": array
            for key, state in states.items()
            for field, array in state.arrays().items()
        }
        archive = npz.pack(fields)
        put_settled(self.folder / name, hashlib.sha256(archive).digest() + archive)

    def of_hours(self, lessons: Lessons) -> RememberedHours:
        """What these lessons were of impressions by bucket and hour."""
        return RememberedHours(self, self.name_of("hour", lessons, None))


@dataclass(frozen=True)
class RememberedHours:
    """States by the impressions themselves and what they had earned. `lessons`: the name of who learns."""

    kept: KeptStates
    lessons: str

    def __call__(self, rows: pa.Table, lesson: HourLesson) -> tuple[Taught, bool]:
        """What impressions taught before or else teach now; and whether it was learnt now."""
        name = _sha256(self.lessons.encode() + lesson.lessons.digest(rows))
        nothing = lesson.initial()
        keys = {f"{who}.{fold}": (who, fold) for who, fold in nothing}
        found = self.kept.find(name, {text: nothing[key] for text, key in keys.items()})
        if found is not None:
            return {keys[text]: state for text, state in found.items()}, False
        taught = lesson(rows)
        self.kept.keep(name, {text: taught[key] for text, key in keys.items()})
        return taught, True


def _paths(given: Input) -> list[str]:
    """Of the files that are read, those among them that say what users agree to."""
    asked = given.withdrawn.users.files if given.withdrawn else ()
    return [str(file.path) for file in (*given.files, *asked)]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
