"""Import this before OBP: its estimators name torch in annotations and never use it, and what else `import
obp` brings along (simulators, neural policies) is not installed here. Runs in OBP's environment."""

import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

package = ModuleType("obp")
package.__path__ = find_spec("obp").submodule_search_locations
sys.modules["obp"] = package
sys.modules["torch"] = SimpleNamespace(Tensor=object, tensor=object)
