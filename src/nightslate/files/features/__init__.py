"""`nightslate features` on files: features of users as of moments."""
