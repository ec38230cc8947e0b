"""From a YAML file to a `Program`, or to features: safe YAML, strict schema, errors that name the place."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from nightslate import settings
from nightslate.errors import SpecError
from nightslate.programs.features_file import FeaturesFile
from nightslate.programs.spec import Program
from nightslate.programs.strict import NAME_PATTERN

Declared = TypeVar("Declared", bound=BaseModel)


def find(name: str) -> Program:
    """The program called `name` in the DAGs folder. Raises SpecError where there is none."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise SpecError(f"{name!r} is not a program's name: lower-case letters, digits and _ only")
    folder = settings.dags_folder()
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml"))) or "none"
        raise SpecError(f"no program {name!r} in {folder} (there: {known})")
    return load(path)


def load(path: str | Path) -> Program:
    """The program that a YAML file declares. Raises SpecError, naming the file, the key and the remedy."""
    path = Path(path)
    return parse(text_of(path), path.stem)


def text_of(path: Path) -> str:
    """What the file says. Raises SpecError where it is no text."""
    try:
        return path.read_text("utf-8")
    except ValueError as error:
        raise SpecError(f"{path.name} is not safe YAML: {error}") from error


def parse(text: str, name: str) -> Program:
    """The program `name` that the text of NAME.yaml declares. Raises SpecError as `load` does."""
    file = f"{name}.yaml"
    program = _validated(text, file, Program, "program")
    if program.program != name:
        raise SpecError(f"{file} declares program {program.program!r}; file and program share a name")
    return program


def load_features(path: Path) -> FeaturesFile:
    """The features that a YAML file declares. Raises SpecError as `load` does, and where there is no file."""
    if not path.is_file():
        raise SpecError(f"there is no file {path}")
    return _validated(text_of(path), path.name, FeaturesFile, "file of features")


def _validated(text: str, file: str, kind: type[Declared], what: str) -> Declared:
    try:
        content = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day such as 2026-02-30
        raise SpecError(f"{file} is not safe YAML: {error}") from error
    except RecursionError:
        raise SpecError(f"{file} is no {what}: it is nested too deep, or in itself") from None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        # What is said once for all issues is validated, and wrong, in each of them.
        lines = dict.fromkeys(f"  {_place(e['loc'], content)}: {e['msg']}" for e in error.errors())
        raise SpecError(f"{file} is not a {what}:\n" + "\n".join(lines)) from error


def _place(loc: tuple[int | str, ...], content: Any) -> str:
    """The key that an error is about as the YAML has it: what is said for all issues, or for the program, is
    validated as a part of each issue."""
    said = content if isinstance(content, dict) else {}
    match loc:
        case ("issues", _, *_) if "issues" not in said:
            loc = loc[2:]
        case ("issues", name, key, *_) if key in said and key not in said["issues"][name]:
            loc = loc[2:]
    return ".".join(map(str, loc)) or "(top)"


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, where PyYAML would keep the last one. A key that a merge
    (`<<`) brings too is written once: it holds before the merged one."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        written = Counter((key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = [value for (_, value), times in written.items() if times > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"key written twice: {', '.join(twice)}", node.start_mark
            )
        return node
