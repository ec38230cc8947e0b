"""What the table `sends` says, handed to whoever sends it."""
