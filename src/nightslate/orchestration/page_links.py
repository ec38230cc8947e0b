"""The links of tasks in Airflow to the pages that they write."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink

from nightslate import settings


class PageOfNight(BaseOperatorLink):
    """To the page of the night, of the issue of the task where the program has several."""

    name = "page of the night"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 -- Airflow's signature
        return _address(
            operator.program, *([operator.issue] if operator.issue else []), f"{operator.ds}.html"
        )


class PageOfAllNights(BaseOperatorLink):
    """To the page of all nights of the program."""

    name = "all nights"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 -- Airflow's signature
        return _address(operator.program, "index.html")


_OF_NIGHT = (PageOfNight(), PageOfAllNights())
LINKS = {"report": _OF_NIGHT, "rollout_report": _OF_NIGHT, "dashboard": (PageOfAllNights(),)}


def links_of(step: str) -> tuple[BaseOperatorLink, ...]:
    """What the task of a step links to."""
    return LINKS.get(step, ())


def _address(*place: str) -> str:
    """Of a page below the folder of reports. Airflow has no nightslate.tables, which names these files."""
    home = settings.home()
    return settings.address_of(home.joinpath("reports", *place), home)
