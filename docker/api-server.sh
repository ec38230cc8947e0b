#!/usr/bin/env bash
# Airflow's API server and UI, with the admin's password where the simple auth manager looks for it.
set -euo pipefail
umask 077
printf '{"admin": "%s"}\n' "$AIRFLOW_ADMIN_PASSWORD" > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
unset AIRFLOW_ADMIN_PASSWORD
exec airflow api-server
