#!/bin/sh
# Records what a real Airflow 2 with FAB holds and answers: `sh record.sh PYTHON [FOLDER]`, where PYTHON is the interpreter of
# an environment with apache-airflow==2.11.0 (or 2.9.3) and apache-airflow-providers-fab<2. It takes some minutes.
# Everything in it is made up, the secrets and the Fernet key too.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(dirname "$1")
work=$(mktemp -d)
web=
trap 'test -z "$web" || kill "$web"; rm -rf "$work"' EXIT
PATH=$bin:$PATH
export PATH AIRFLOW_HOME=$work/home AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER="$here/dags"
export AIRFLOW__CORE__FERNET_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:///$work/old.sqlite" AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS=False
export AIRFLOW__API__AUTH_BACKENDS=airflow.providers.fab.auth_manager.api.auth.backend.basic_auth
export AIRFLOW__WEBSERVER__WORKERS=1
unset PYTHONPATH
out=${2:-$here/$(python -c 'import airflow; print(airflow.__version__)')}
mkdir -p "$out"
airflow db migrate
airflow sync-perm
airflow roles create marketing_editors marketing_viewers 'Finance Team' empty_role
airflow roles add-perms marketing_editors -a can_read can_create -r 'DAG Runs'
airflow roles add-perms 'Finance Team' -a can_read can_edit can_create -r Variables Connections 'DAG Runs'
add() { airflow users create -u "$1" -r "$2" -f "$1" -l Example -e "$1@example.com" -p "made up $1"; }
add admin Admin
add mara marketing_editors
add milo marketing_viewers
add 'Fay Finn' 'Finance Team'
add frank 'Finance Team'
add olga Op
add newbie empty_role
airflow connections add warehouse --conn-type postgres --conn-host db.example --conn-port 5432 --conn-login etl \
    --conn-password "it's \$ecret" --conn-schema dwh --conn-extra '{"sslmode": "require", "keepalives": 1}'
airflow connections add ads --conn-type http --conn-host ads.example \
    --conn-extra '{"timeout": 5, "client_hash": "hidden in plain sight"}'
airflow connections add bank --conn-type google_cloud_platform \
    --conn-extra '{"project": "bank", "keyfile": {"private_key": "made up key", "id": 7}}'
airflow connections add unused --conn-type http --conn-host nobody.example --conn-password "made up"
airflow connections add odd..name --conn-type http --conn-host odd.example
airflow variables set threshold 0.7
airflow variables set ledger_mode '{"dry": true, "limit": 3}'
airflow variables set bank_token 'made up token'
airflow pools set gpu 2 'two of them'
airflow pools set 'big pool' 5 'a name with a space'
airflow dags reserialize
airflow sync-perm --include-dags
airflow users list -o plain
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
airflow webserver --hostname 127.0.0.1 --port "$port" >"$work/web.log" 2>&1 &
web=$!
python "$here/record.py" "http://127.0.0.1:$port" "$work/old.sqlite" "$here/dags" "$out"
