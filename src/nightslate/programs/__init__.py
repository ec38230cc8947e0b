"""What a program says (its spec), and what follows from that alone. Cheap to import: DAG files do."""

from nightslate.programs.engine import engine_of
from nightslate.programs.issue import Issue
from nightslate.programs.loading import find, load, parse, text_of
from nightslate.programs.packing import pack, unpack
from nightslate.programs.spec import Program

__all__ = ["Issue", "Program", "engine_of", "find", "load", "pack", "parse", "text_of", "unpack"]
