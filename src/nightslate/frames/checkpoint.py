"""A Great Expectations checkpoint over a DataFrame, with its result in the Data Docs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pyspark.sql import DataFrame

from nightslate.contracts import Contract
from nightslate.errors import ContractError

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx  # noqa: E402 (it reads the variable on import)
from great_expectations.checkpoint import UpdateDataDocsAction  # noqa: E402

from nightslate.contracts import expectations  # noqa: E402

_SOURCE = "nightslate"


def check(rows: DataFrame, contract: Contract, docs: Path, name: str) -> None:
    """Expect of the rows what their contract says. Raises ContractError that names each broken clause.

    `docs`: the folder of the Data Docs. `name`: what the result is called in them.
    """
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    docs.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=docs)
    context.variables.progress_bars = {"globally": False}
    held = set(rows.columns)
    suite = expectations.suite(contract)
    suite.name = name
    suite.expectations = [e for e in suite.expectations if _columns(e) <= held]
    asset = context.data_sources.add_or_update_spark(_SOURCE).add_dataframe_asset(contract.name)
    definition = gx.ValidationDefinition(
        name=name,
        data=asset.add_batch_definition_whole_dataframe("night"),
        suite=context.suites.add_or_update(suite),
    )
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[context.validation_definitions.add_or_update(definition)],
        actions=[UpdateDataDocsAction(name="data docs")],
        result_format="SUMMARY",
    )
    result = context.checkpoints.add_or_update(checkpoint).run(batch_parameters={"dataframe": rows})
    if not result.success:
        broken = [
            one.expectation_config.meta["clause"]
            for run in result.run_results.values()
            for one in run.results
            if not one.success
        ]
        raise ContractError(f"{name}: {'; '.join(broken)}; see the Data Docs in {docs}")


def _columns(expectation: gx.expectations.Expectation) -> set[str]:
    one = getattr(expectation, "column", None)
    return {one} if one else set(expectation.column_list)
