"""Arrow in, Arrow out, and no engine: what is done to the rows of some users, or of a file."""
