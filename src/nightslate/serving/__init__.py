"""A registered model as MLflow serves it: rows of users in, slates out, as the nights publish them."""
