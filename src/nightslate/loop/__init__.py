"""A world and the nights that learn from it, in turn: each night's slates are what the next day shows."""
