"""Nothing in the project loads a pickle or YAML that makes objects: read off its syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = sorted(path for folder in ("src", "dags") for path in (ROOT / folder).rglob("*.py"))

PICKLING = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "joblib",
    "dill",
    "shelve",
    "marshal",
    "pickletools",
}
UNSAFE_CALLS = {
    *("unsafe_load", "unsafe_load_all", "full_load", "full_load_all", "load_all"),
    *("read_pickle", "to_pickle", "load_model", "pickleFile", "saveAsPickleFile", "eval", "exec"),
}
PROCESSES = {"Parallel", "delayed", "parallel_config"}
"""Of joblib: what starts processes and hands them code of ours, as Spark does; no file is read."""
SAFE_LOADERS = {"SafeLoader", "CSafeLoader"}


def unsafe(source):
    """What in the source could make objects out of bytes, as (line, what)."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    safe = SAFE_LOADERS | {
        node.name
        for node in nodes
        if isinstance(node, ast.ClassDef) and SAFE_LOADERS & set(map(name, node.bases))
    }
    return sorted((node.lineno, found) for node in nodes for found in faults(node, safe))


def faults(node, safe):
    if isinstance(node, ast.Import):
        yield from {alias.name.split(".")[0] for alias in node.names} & PICKLING
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        starts_processes = node.module == "joblib" and names <= PROCESSES
        yield from set() if starts_processes else {(node.module or "").split(".")[0]} & PICKLING
        yield from names & (PICKLING | UNSAFE_CALLS)
        if node.module == "yaml":  # called by its bare name, `load` could be anyone's
            yield from {alias.name for alias in node.names} & {"load"}
    if isinstance(node, ast.Call):
        yield from {name(node.func)} & UNSAFE_CALLS
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if "allow_pickle" in given and ast.unparse(given["allow_pickle"]) != "False":
            yield "allow_pickle"
        if ast.unparse(node.func) == "yaml.load":
            loader = given.get("Loader") or (node.args[1] if len(node.args) > 1 else None)
            if loader is None or name(loader) not in safe:
                yield "yaml.load"


def name(node):
    """The last part of a dotted name."""
    return ast.unparse(node).rsplit(".", 1)[-1]


def test_there_is_something_to_read():
    assert len(FILES) > 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_makes_objects_out_of_bytes(path):
    assert unsafe(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle as j",
        "from cloudpickle import loads",
        "from joblib import Parallel, load",
        "from sklearn.externals import joblib",
        "import numpy as np; np.load(f, allow_pickle=True)",
        "np.load(f, allow_pickle=flag)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text, yaml.FullLoader)",
        "class Mine(yaml.Loader): pass\nyaml.load(text, Loader=Mine)",
        "from yaml import unsafe_load",
        "mlflow.sklearn.load_model(uri)",
        "pd.read_pickle(path)",
        "eval(text)",
        "from yaml import load",
    ],
)
def test_the_reader_sees_what_it_looks_for(source):
    assert unsafe(source)


@pytest.mark.parametrize(
    "source",
    [
        "np.load(f, allow_pickle=False)",
        "json.load(file)",
        "yaml.safe_load(text)",
        "class Mine(yaml.SafeLoader): pass\nyaml.load(text, Loader=Mine)",
        "ModelFile.load(folder, digest)",
    ],
)
def test_the_reader_lets_the_rest_be(source):
    assert unsafe(source) == []
