"""`python -m nightslate.cli`, which is what Airflow calls."""

from nightslate.cli import main

main()
