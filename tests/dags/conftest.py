"""Airflow reads its configuration when it is first imported, so its home is set before that."""

import atexit
import os
import shutil
import tempfile

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="nightslate-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW_CONN_SPARK_DEFAULT"] = '{"conn_type": "spark", "host": "local[1]"}'
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
