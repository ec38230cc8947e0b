"""The nightly Airflow DAG of the program declared in open_bandit_policies.yaml beside this file."""

from nightslate.orchestration import build_dag

dag = build_dag(__file__)
