"""Import this before SCOPE-RL: its estimators name a class of d3rlpy and one of gym in annotations and never
use them, and what else `import scope_rl.ope` brings along (torch) is not installed here. Runs in SCOPE-RL's
environment."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

root = Path(find_spec("scope_rl").submodule_search_locations[0])
for name in ("scope_rl", "scope_rl.ope", "scope_rl.ope.discrete"):
    package = ModuleType(name)
    package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = package
sys.modules["d3rlpy"] = ModuleType("d3rlpy")
sys.modules["d3rlpy.preprocessing"] = SimpleNamespace(ActionScaler=object)
sys.modules["gym"] = SimpleNamespace(Env=object)
