"""The campaigns of three offers, played."""
