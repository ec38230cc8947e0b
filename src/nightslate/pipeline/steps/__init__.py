"""One file a step, and nothing else: read, call, write. `pipeline.plan` says which there are."""
