"""From a program to an Airflow DAG. The only first-party layer, with `dags/`, that imports Airflow."""

from nightslate.orchestration.dag_factory import build_dag

__all__ = ["build_dag"]
