"""The Spark application of the step `transitions`."""

from nightslate.cli import run_job

if __name__ == "__main__":
    run_job("transitions")
