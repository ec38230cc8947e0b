"""A campaign of three offers to each customer, in which the order of the offers pays: a world with known
truth."""
