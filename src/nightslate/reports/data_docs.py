"""Great Expectations checkpoints over samples of tables, with their results in the Data Docs."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import great_expectations as gx
import pyarrow as pa
from great_expectations.checkpoint import CheckpointResult
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    FilesystemStoreBackendDefaults,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.expectation import Expectation
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from nightslate.contracts import Contract, expectations
from nightslate.errors import CommitConflictError, ContractError

PATIENCE_SECONDS = 600.0
"""How long a night waits for others to be done with the Data Docs."""

_SOURCE = "nightslate"
_KEPT = ("expectations_store", "validation_results_store")


def write_data_docs(samples: Mapping[str, tuple[pa.Table, Contract]], docs: Path) -> None:
    """Expect of each sample what its contract says, and write the Data Docs, into the folder `docs`.

    `samples`: the rows and their contract, by the name that the result has in the Data Docs. Pages say which
    clause held, and show no values of rows. Raises ContractError that names each broken clause, and
    CommitConflictError where other nights keep the folder to themselves for too long.
    """
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with _alone(docs / "gx"):
        context = _context(docs / "gx")
        results = {name: _checked(context, name, *sample) for name, sample in samples.items()}
        # Only what is new: the pages of other nights are there, and building all takes longer every night.
        runs = [run for result in results.values() for run in result.run_results]
        new: list[Any] = [*runs, *(run.expectation_suite_identifier for run in runs)]
        context.build_data_docs(resource_identifiers=new)
    broken = {name: clauses for name, result in results.items() if (clauses := _broken(result))}
    if broken:
        lines = [f"{name}: {'; '.join(clauses)}" for name, clauses in broken.items()]
        raise ContractError("\n".join([*lines, f"see the Data Docs in {docs}"]))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else is in the folder meanwhile: Great Expectations writes its files in place, and reads those
    of other nights. Whoever dies in it leaves it free."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        patiently = Retrying(
            retry=retry_if_exception_type(BlockingIOError),
            wait=wait_fixed(0.1),
            stop=stop_after_delay(PATIENCE_SECONDS),
        )
        try:
            patiently(fcntl.flock, lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except RetryError as error:
            raise CommitConflictError(
                f"another night has kept {folder} to itself for {PATIENCE_SECONDS:.0f} s; try again"
            ) from error
        yield


def _context(folder: Path) -> EphemeralDataContext:
    """Suites, results and pages stay in the folder. What a checkpoint is made of does not: to read all of its
    configuration again and again takes longer than to check small tables."""
    files, memory = FilesystemStoreBackendDefaults(folder), InMemoryStoreBackendDefaults()
    config = DataContextConfig(
        store_backend_defaults=files,
        stores={**memory.stores, **{name: files.stores[name] for name in _KEPT}},
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _checked(
    context: EphemeralDataContext, name: str, rows: pa.Table, contract: Contract
) -> CheckpointResult:
    suite = expectations.suite(contract)
    suite.name = name
    suite.expectations = [e for e in suite.expectations if _columns(e) <= set(rows.column_names)]
    asset = context.data_sources.add_or_update_pandas(_SOURCE).add_dataframe_asset(contract.name)
    definition = gx.ValidationDefinition(
        name=name,
        data=asset.add_batch_definition_whole_dataframe("day"),
        suite=context.suites.add_or_update(suite),
    )
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[context.validation_definitions.add(definition)],
        result_format="BOOLEAN_ONLY",
    )
    return context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": rows.to_pandas()})


def _broken(result: CheckpointResult) -> list[str]:
    """The clauses that some row of the sample breaks."""
    return [
        str(one.expectation_config.meta["clause"])
        for run in result.run_results.values()
        for one in run.results
        if not one.success and one.expectation_config is not None and one.expectation_config.meta
    ]


def _columns(expectation: Expectation) -> set[str]:
    """The columns that an expectation is about."""
    one, several = getattr(expectation, "column", None), getattr(expectation, "column_list", ())
    return {one} if one else set(several)
