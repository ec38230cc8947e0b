"""Data contracts: schemas/*.odcs.yaml (Open Data Contract Standard), read once and rendered for each engine.

This package imports neither Spark nor Arrow nor Delta; each renderer is a module of its own.
"""

from nightslate.contracts.contract import Clause, Column, Contract, Reason
from nightslate.contracts.odcs import load, tables

__all__ = ["Clause", "Column", "Contract", "Reason", "load", "tables"]
