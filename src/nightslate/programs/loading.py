"""From `dags/NAME.yaml` to a `Program`: safe YAML, strict schema, errors that name the place."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nightslate.errors import SpecError
from nightslate.programs.spec import Program
from nightslate.programs.strict import NAME_PATTERN


def dags_folder() -> Path:
    """Where programs live: $NIGHTSLATE_DAGS, else ./dags."""
    return Path(os.environ.get("NIGHTSLATE_DAGS", "dags")).absolute()


def find(name: str) -> Program:
    """The program called `name` in the DAGs folder. Raises SpecError where there is none."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise SpecError(f"{name!r} is not a program's name: lower-case letters, digits and _ only")
    path = dags_folder() / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in dags_folder().glob("*.yaml"))) or "none"
        raise SpecError(f"no program {name!r} in {dags_folder()} (there: {known})")
    return load(path)


def load(path: str | Path) -> Program:
    """The program that a YAML file declares. Raises SpecError, naming the file, the key and the remedy."""
    path = Path(path)
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, or a day such as 2026-02-30
        raise SpecError(f"{path.name} is not safe YAML: {error}") from error
    except RecursionError:
        raise SpecError(f"{path.name} is no program: it is nested too deep, or in itself") from None
    try:
        program = Program.model_validate(content)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or '(top)'}: {e['msg']}" for e in error.errors()]
        raise SpecError(f"{path.name} is not a program:\n" + "\n".join(lines)) from error
    if program.program != path.stem:
        raise SpecError(f"{path.name} declares program {program.program!r}; file and program share a name")
    return program


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
