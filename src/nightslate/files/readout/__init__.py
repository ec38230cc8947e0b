"""`nightslate readout`: what the variants of an experiment were worth, from a file."""
