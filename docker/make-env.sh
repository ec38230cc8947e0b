#!/usr/bin/env bash
# Writes docker/.env from docker/.env.example with a random value for every secret. Never replaces one.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -e .env ]]; then
    echo "docker/.env exists already; its secrets are in use, so it stays as it is." >&2
    exit 1
fi

while IFS= read -r line; do
    case "$line" in
        AIRFLOW_FERNET_KEY=) echo "$line$(openssl rand -base64 32 | tr '+/' '-_')" ;; # url-safe base64 of 32 bytes
        [A-Z]*=) echo "$line$(openssl rand -hex 32)" ;;
        *) echo "$line" ;;
    esac
done < .env.example > .env.new
mv .env.new .env
echo "Wrote docker/.env. The login of Airflow is admin with the AIRFLOW_ADMIN_PASSWORD in it."
