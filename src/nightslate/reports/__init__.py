"""What people look at: the page of a night, its plots, and the tables of the terminal."""
