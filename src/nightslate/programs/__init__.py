"""What a program says (its spec) and what a night does (its plan). Cheap to import: DAG files do."""

from nightslate.programs.loading import dags_folder, find, load
from nightslate.programs.plan import STEP_NAMES, Step, plan
from nightslate.programs.spec import Program

__all__ = ["STEP_NAMES", "Program", "Step", "dags_folder", "find", "load", "plan"]
