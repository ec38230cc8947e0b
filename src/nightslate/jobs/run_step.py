"""The Spark application of each step: `spark-submit run_step.py STEP --program NAME --ds YYYY-MM-DD`."""

from nightslate.cli import run_job

if __name__ == "__main__":
    run_job()
