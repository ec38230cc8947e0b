"""Where logs come from when there is no production: real samples, and worlds with known truth."""
