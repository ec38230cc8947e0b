"""A file of features, for who has activity in files and no program."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from nightslate.programs.features import (
    Aggregate,
    ColumnType,
    FeatureSpecs,
    OfNumbers,
    Quantile,
    aggregates,
    columns_looked_at,
    conditions,
    require_names,
    values_of,
)
from nightslate.programs.strict import Name, Strict


class FeaturesFile(Strict):
    """A file of features. `columns`: the types of columns of activity where they don't follow from their
    use: a number is what is summed, a category what is compared with text."""

    features: FeatureSpecs = Field(min_length=1, max_length=1000)
    columns: dict[Name, ColumnType] = Field(default={})

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        require_names(self.each)
        for name, spec in self.features.items():
            if spec.source != "activity":
                raise ValueError(f"features.{name}: {spec.source} are logs of programs; a file has activity")
            if spec.by:
                raise ValueError(
                    f"features.{name}: key: {spec.by} is of arms, which programs have; a file has users"
                )
            if spec.boundaries:
                raise ValueError(
                    f"features.{name}: boundaries are for programs, which make categories of them"
                )
            if isinstance(spec, OfNumbers | Quantile) and self.columns.get(spec.column) == "category":
                raise ValueError(
                    f"features.{name}: {spec.aggregation} is of numbers, not columns.{spec.column}: category"
                )
        return self

    @property
    def each(self) -> tuple[Aggregate, ...]:
        """The features of all windows, in the order of the file."""
        return aggregates(self.features)

    def type_of(self, column: str) -> ColumnType | None:
        """As declared, or as it is used; None where its values may be of either type."""
        if column in self.columns:
            return self.columns[column]
        specs = self.features.values()
        if any(isinstance(spec, OfNumbers | Quantile) and spec.column == column for spec in specs):
            return "number"
        compared = [value for condition in conditions(specs) for value in values_of(condition, column)]
        if any(isinstance(value, float) for value in compared):
            return "number"
        return "category" if compared else None

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of activity that are looked at, but for those that all activity has."""
        return columns_looked_at(self.features.values())
