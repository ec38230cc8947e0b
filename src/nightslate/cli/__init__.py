"""`nightslate ...`: nights without Airflow, what was published, and the mathematics on a file.

Nothing heavy is imported before a command needs it, so that `--help` and mistakes answer at once."""

from nightslate.cli import (
    allocations,
    attribute,
    features,
    files,
    forget,
    land,
    readout,
    sends,
    serve,
    simulate,
    tables,
    update,
)
from nightslate.cli.app import app, main
from nightslate.cli.nights import run_job

__all__ = [
    "allocations",
    "app",
    "attribute",
    "features",
    "files",
    "forget",
    "land",
    "main",
    "readout",
    "run_job",
    "sends",
    "serve",
    "simulate",
    "tables",
    "update",
]
