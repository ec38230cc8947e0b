"""A night: its steps, the plan that follows from what they read and write, and what they work with."""
