"""The few calls of Airflow's public REST API that `make demo` and `nightslate backfill` need."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx

from nightslate.errors import MachineError, NightslateError
from nightslate.local.site import Site


class AirflowRefusedError(NightslateError):
    """Airflow answered a request with an error; the message carries its own words."""


@dataclass(frozen=True)
class Task:
    """The state of one task of one night; `state` is None while it has not been scheduled."""

    ds: str
    run_id: str
    name: str
    state: str | None
    seconds: float | None
    attempt: int


@dataclass
class Airflow:
    """A client that logs in as admin when it first needs to."""

    url: str
    password: str = field(repr=False)
    _token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, site: Site) -> Airflow:
        return cls(site.airflow_url, site.admin_password)

    def is_healthy(self) -> bool:
        """Whether the database, scheduler, DAG processor and triggerer all say that they are well."""
        try:
            answer = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=10)
            return answer.is_success and all(part["status"] == "healthy" for part in answer.json().values())
        except (httpx.HTTPError, ValueError):
            return False

    def import_error(self, dag_id: str) -> str | None:
        """Why the file of this DAG could not be read, if so."""
        errors = self._request("GET", "/importErrors")["import_errors"]
        return next((e["stack_trace"] for e in errors if e["filename"].endswith(f"{dag_id}.py")), None)

    def has_dag(self, dag_id: str) -> bool:
        return self._exists(f"/dags/{dag_id}")

    def task_names(self, dag_id: str) -> list[str]:
        """The DAG's tasks, upstream before downstream."""
        tasks = self._request("GET", f"/dags/{dag_id}/tasks")["tasks"]
        following = {task["task_id"]: set(task["downstream_task_ids"]) for task in tasks}
        ordered: list[str] = []
        while following:
            blocked = set().union(*following.values())
            ready = [name for name in following if name not in blocked]
            ordered += ready
            for name in ready:
                del following[name]
        return ordered

    def unpause(self, dag_id: str) -> None:
        self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def create_backfill(self, dag_id: str, first: date, last: date, reprocess: str) -> int:
        """Ask the scheduler for the nights first..last, one after the other; returns the backfill's id."""
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "reprocess_behavior": reprocess,
            "max_active_runs": 1,
        }
        return int(self._request("POST", "/backfills", json=body)["id"])

    def is_backfilling(self, dag_id: str, first: date, last: date) -> bool:
        """Whether a backfill that contains the nights first..last has not been closed yet."""
        found = self._request("GET", "/backfills", params={"dag_id": dag_id, "limit": 100})["backfills"]
        return any(
            entry["completed_at"] is None
            and entry["from_date"][:10] <= str(first)
            and str(last) <= entry["to_date"][:10]
            for entry in found
        )

    def run_states(self, dag_id: str, first: date, last: date) -> dict[str, str]:
        """The state of each night's run, by ds."""
        runs = self._request("GET", f"/dags/{dag_id}/dagRuns", params=_between(first, last))["dag_runs"]
        return {run["logical_date"][:10]: run["state"] for run in runs}

    def run_seconds(self, dag_id: str, first: date, last: date) -> dict[str, float]:
        """How long each night's run took that has ended, by ds."""
        runs = self._request("GET", f"/dags/{dag_id}/dagRuns", params=_between(first, last))["dag_runs"]
        return {run["logical_date"][:10]: run["duration"] for run in runs if run["duration"] is not None}

    def tasks(self, dag_id: str, first: date, last: date) -> list[Task]:
        """Every task of the nights first..last."""
        rows: list[dict[str, Any]] = []
        total = 1
        while len(rows) < total:
            page = self._request(
                "GET",
                f"/dags/{dag_id}/dagRuns/~/taskInstances",
                params={**_between(first, last), "limit": 100, "offset": len(rows)},
            )
            rows += page["task_instances"]
            total = page["total_entries"] if page["task_instances"] else 0
        return [
            Task(
                r["logical_date"][:10],
                r["dag_run_id"],
                r["task_id"],
                r["state"],
                r["duration"],
                r["try_number"],
            )
            for r in rows
        ]

    def log(self, dag_id: str, task: Task) -> list[str]:
        """The lines of the log of a task's last attempt, without Airflow's grouping marks."""
        path = f"/dags/{dag_id}/dagRuns/{task.run_id}/taskInstances/{task.name}/logs/{max(task.attempt, 1)}"
        content = self._request("GET", path, params={"full_content": True})["content"]
        lines = [line for entry in content for line in _log_lines(entry)]
        return [line for line in lines if not line.startswith("::")]

    def _exists(self, path: str) -> bool:
        return self._send("GET", path).status_code == httpx.codes.OK

    def _request(self, method: str, path: str, **options: Any) -> Any:
        answer = self._send(method, path, **options)
        if answer.is_error:
            raise AirflowRefusedError(
                f"Airflow refused {method} {path} ({answer.status_code}): {answer.text[:2000]}"
            )
        return answer.json()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        if self._token is None:
            self._token = self._log_in()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        url = f"{self.url}/api/v2{path}"
        try:
            return httpx.request(method, url, headers=headers, timeout=60, **options)
        except httpx.HTTPError as error:
            raise MachineError(
                f"Airflow does not answer at {self.url} ({error}). Start it: make up"
            ) from error

    def _log_in(self) -> str:
        login = {"username": "admin", "password": self.password}
        try:
            answer = httpx.post(f"{self.url}/auth/token", json=login, timeout=60)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise MachineError(
                f"can't log in to Airflow at {self.url} ({error}). Start it: make up"
            ) from error
        return str(answer.json()["access_token"])


def _between(first: date, last: date) -> dict[str, Any]:
    return {"logical_date_gte": f"{first}T00:00:00Z", "logical_date_lte": f"{last}T00:00:00Z"}


def _log_lines(entry: dict[str, Any]) -> list[str]:
    errors = entry.get("error_detail") or []
    return [entry["event"], *(f"{error['exc_type']}: {error['exc_value']}" for error in errors)]
