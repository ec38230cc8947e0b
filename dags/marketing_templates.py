"""The nightly Airflow DAG of the program declared in marketing_templates.yaml beside this file."""

from nightslate.orchestration import build_dag

dag = build_dag(__file__)
