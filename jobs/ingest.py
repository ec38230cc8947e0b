"""The Spark application of the step `ingest`."""

from nightslate.cli import run_job

if __name__ == "__main__":
    run_job("ingest")
