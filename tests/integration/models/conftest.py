"""MLflow in a warehouse of each module's own."""

import pytest

from nightslate.models.client import connect
from nightslate.models.registry import Registry
from nightslate.models.tracking import NightRun

from .fitted_models import DS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("warehouse")


@pytest.fixture(scope="module")
def client(home):
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield connect(home)


@pytest.fixture
def night(client, home, request):
    """A program of its own for each test: its registry and a run."""
    program = request.node.name[:60]
    return Registry(client, program), NightRun.start(client, home, program, DS)
