"""`nightslate attribute`: attribution of files, users in parts that fit into memory."""
