"""The services of `make demo` and `make up`: PostgreSQL, MLflow and Airflow on loopback, for one machine."""
