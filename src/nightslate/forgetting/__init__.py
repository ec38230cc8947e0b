"""What is kept of a user, taken out everywhere in a warehouse."""
