"""Great Expectations checkpoints over DataFrames, with their results in the Data Docs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import great_expectations as gx
from great_expectations.data_context import FileDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation
from pyspark.sql import DataFrame

from nightslate.contracts import Contract, expectations
from nightslate.errors import ContractError

_SOURCE = "nightslate"


def check(frames: Mapping[str, tuple[DataFrame, Contract]], docs: Path) -> None:
    """Expect of each frame what its contract says, and write the Data Docs, into the folder `docs`.

    `frames`: the rows and their contract, by the name that the result has in the Data Docs. Pages say which
    clause held, and show no values of rows. Raises ContractError that names each broken clause.
    """
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    docs.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=docs)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    broken = {name: _broken(context, name, *frame) for name, frame in frames.items()}
    context.build_data_docs()
    if any(broken.values()):
        lines = [f"{name}: {'; '.join(clauses)}" for name, clauses in broken.items() if clauses]
        raise ContractError("\n".join([*lines, f"see the Data Docs in {docs}"]))


def _broken(context: FileDataContext, name: str, rows: DataFrame, contract: Contract) -> list[str]:
    """The clauses that some row of the frame breaks."""
    suite = expectations.suite(contract)
    suite.name = name
    suite.expectations = [e for e in suite.expectations if _columns(e) <= set(rows.columns)]
    asset = context.data_sources.add_or_update_spark(_SOURCE).add_dataframe_asset(contract.name)
    definition = gx.ValidationDefinition(
        name=name,
        data=asset.add_batch_definition_whole_dataframe("day"),
        suite=context.suites.add_or_update(suite),
    )
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[context.validation_definitions.add_or_update(definition)],
        result_format="BOOLEAN_ONLY",
    )
    result = context.checkpoints.add_or_update(checkpoint).run(batch_parameters={"dataframe": rows})
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
