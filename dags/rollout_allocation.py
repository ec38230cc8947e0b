"""The nightly Airflow DAG of the program declared in rollout_allocation.yaml beside this file."""

from nightslate.orchestration import build_dag

dag = build_dag(__file__)
