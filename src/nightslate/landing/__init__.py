"""Micro-batches of a message queue into the landing files of a log, each message exactly once."""
