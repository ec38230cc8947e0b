"""Worlds with known truth, and their simulations: each night's slates are what the next day shows, and what
the nights estimated and decided stands beside what is true. A world is one folder, and one line in
`registry`."""
