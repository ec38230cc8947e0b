"""What the documentation says of names that live elsewhere: keys, commands, targets, exit codes, files."""

import re
import typing
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nightslate import errors
from nightslate.cli import app
from nightslate.pipeline.plan import STEP_NAMES, plan
from nightslate.programs import Issue, Program, load
from nightslate.programs.issue import OF_THE_PROGRAM, ONLY

PROJECT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/attribute.md",
    "docs/features.md",
    "docs/insights.md",
    "docs/design.md",
    "docs/experiments.md",
    "docs/ope.md",
    "docs/simulate.md",
    "docs/operating.md",
    "docs/pages.md",
    "docs/privacy.md",
    "docs/programs.md",
    "docs/readout.md",
    "docs/sends.md",
    "docs/serving.md",
)


def text(page: str) -> str:
    return (PROJECT / page).read_text("utf-8")


def table(page: str, header: str) -> list[list[str]]:
    """The rows of the table below `| header |`, as cells without code marks."""
    lines = iter(text(page).splitlines())
    for line in lines:
        if line.startswith(f"| {header} |"):
            next(lines)
            break
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    assert rows, f"{page} has no table {header!r}"
    return rows


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a program's YAML with its default, in the notation of docs/programs.md. What an issue can
    say stands without the issue: so it is said in a program of one, and for all issues of one of several."""
    for name, field in model.model_fields.items():
        if name == "issues":
            yield "issues.NAME", ONLY
            yield from keys(Issue)
            continue
        if model is Issue and name in (*OF_THE_PROGRAM, "name"):
            continue
        inner = list(models(field.annotation))
        key = f"{prefix}{field.alias or name}" + folded(field.annotation)
        for one in inner:
            yield from keys(one, f"{key}.")
        if not inner or isinstance(field.get_default(), float):  # a number, or what a model says instead
            yield key, default(field)


def folded(annotation: object) -> str:
    """Mappings and lists, the outer first."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return folded(arguments[0])
    if origin is dict:
        return ".NAME" + folded(arguments[1])
    return "[]" if origin is tuple else ""


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models(argument)


def default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.is_required():
        return "required"
    if isinstance(value, timedelta):
        return f"{value // timedelta(minutes=1)}m"
    if value is None or value == ():
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_key_of_a_program_is_explained_with_its_default() -> None:
    explained = [(row[0], row[1]) for row in table("docs/programs.md", "key")]
    assert dict(explained) == dict(keys(Program))
    assert len(explained) == len(dict(explained))
    assert all(row[2].endswith(".") for row in table("docs/programs.md", "key"))


def test_every_landing_log_is_explained() -> None:
    logs = [row[0] for row in table("docs/programs.md", "log")]
    with_references = Program.model_fields["logs"].annotation
    assert with_references is not None
    everything = {"propensity": "marginal", "references": True, "activity": {}, "signals": {}}
    assert logs == list(with_references.model_validate(everything).names)


def test_every_step_is_explained_in_order() -> None:
    assert [row[0] for row in table("README.md", "step")] == list(STEP_NAMES)


def test_every_exit_code_is_explained_with_what_airflow_does() -> None:
    kinds = [
        e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.NightslateError)
    ]
    expected = {
        (str(e.exit_code), e.__name__, "yes" if e.exit_code in errors.RETRYABLE_EXIT_CODES else "no")
        for e in kinds
    }
    rows = [tuple(row[:3]) for row in table("docs/operating.md", "exit code")]
    assert set(rows[:-1]) == expected
    assert rows[-1][0] == "any other"


def test_every_invariant_names_its_tests() -> None:
    rows = table("README.md", "what always holds")
    assert [row[0][0] for row in rows] == list("123456789")
    assert all("](tests/" in row[1] for row in rows)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", text(page)):
        assert (PROJECT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("page", PAGES)
def test_targets_and_commands_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z0-9]+)", text(page), re.MULTILINE)) <= targets
    group = typer.main.get_command(app)
    for command, options in re.findall(r"(?:`|^)nightslate ([a-z]+)([^`\n]*)", text(page), re.MULTILINE):
        known = {name for parameter in group.commands[command].params for name in parameter.opts}  # type: ignore[attr-defined]
        assert set(re.findall(r"--[a-z-]+", options)) <= known, f"{page}: nightslate {command}{options}"


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_pages_keep_within_themselves(page: str) -> None:
    """No address of a machine or registry, nothing left to fill in."""
    assert not re.search(r"https?://|TODO|TBD|FIXME|XXX", text(page))


def test_the_picture_shows_the_plan_and_needs_nothing_else() -> None:
    svg = text("docs/night.svg")
    root = ElementTree.fromstring(svg)  # noqa: S314 (our own file)
    names = [node.text for node in root.iter() if node.get("class") == "name"]
    steps = [task.step for task in plan(load(PROJECT / "dags" / "open_bandit.yaml"))]
    shown = [name for name in names if name != "landing"]
    assert sorted(shown) == sorted(step.name for step in steps)
    of_some_programs = {
        "features",
        "detect",
        "audit_served",
        "transitions",
        "contacts",
        "controls",
        "choose",
        "send",
        "effects",
        "logged_assignments",
        "readout",
        "allocate",
        "assign",
        "rollout_report",
        "insights",
        "retain",
    }
    assert {*STEP_NAMES} - {*shown} == of_some_programs
    assert names.count("landing") == 1
    boxes = [node.get("class") for node in root if node.get("class") in ("spark", "python")]
    assert boxes.count("spark") == 1 + sum(step.heavy for step in steps)  # one in the legend
    assert boxes.count("python") == 1 + sum(not step.heavy for step in steps)
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"href|@import|<script|<image|url\((?!#)", svg)
