"""The homepage of new participants of retirement plans: a world with known truth."""
