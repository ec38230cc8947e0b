"""Decisions that are asked for one by one over HTTP: a user's activity in, help or nothing out."""
