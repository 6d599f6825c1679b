# The real servers: two MLflow, one of them with users and workspaces, and one PostgreSQL for the whole run.

POSTGRES_STOP=()

# mlflow_server NAME DIR PORT ARGUMENT…
# One worker: with several, each keep-alive connection stalls 40 ms a request. Jobs off: nothing here uses them.
mlflow_server() {
  MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    background "$1" "$THUMBPRINT_TEST_PYTHON" -m mlflow server \
    --host 127.0.0.1 --port "$3" --workers 1 \
    --backend-store-uri "sqlite:///$2/mlflow.db" --artifacts-destination "$2/artifacts" "${@:4}"
}

start_mlflow() {
  if [[ -n ${THUMBPRINT_TEST_MLFLOW:-} ]]; then
    say "   using $THUMBPRINT_TEST_MLFLOW"
    return
  fi
  local dir port
  temporary dir
  port=$(free_port)
  mlflow_server mlflow-server "$dir" "$port"
  export THUMBPRINT_TEST_MLFLOW=http://127.0.0.1:$port
}

start_mlflow_with_auth() {
  if [[ -n ${THUMBPRINT_TEST_MLFLOW_AUTH:-} ]]; then
    say "   using THUMBPRINT_TEST_MLFLOW_AUTH"
    return
  fi
  local dir port password=administrator-of-the-tests
  temporary dir
  port=$(free_port)
  cat >"$dir/auth.ini" <<INI
[mlflow]
default_permission = READ
database_uri = sqlite:///$dir/auth.db
admin_username = admin
admin_password = $password
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
grant_default_workspace_access = true
INI
  MLFLOW_AUTH_CONFIG_PATH=$dir/auth.ini MLFLOW_FLASK_SERVER_SECRET_KEY=$password MLFLOW_ENABLE_WORKSPACES=true \
    mlflow_server mlflow-server-auth "$dir" "$port" --app-name basic-auth
  export THUMBPRINT_TEST_MLFLOW_AUTH=http://admin:$password@127.0.0.1:$port
}

wait_for_mlflow() {
  healthy mlflow-server "$THUMBPRINT_TEST_MLFLOW"
  say "   $THUMBPRINT_TEST_MLFLOW"
  [[ -z ${THUMBPRINT_TEST_MLFLOW_AUTH:-} ]] || healthy mlflow-server-auth "http://${THUMBPRINT_TEST_MLFLOW_AUTH#*@}"
}

# healthy NAME ADDRESS
healthy() {
  python3 - "$2/health" <<'PY' || { tail -n 30 "$LOGS/$1.log"; die "MLflow did not become healthy within 120 s"; }
import sys, time, urllib.request
deadline = time.monotonic() + 120
while time.monotonic() < deadline:
    try:
        if urllib.request.urlopen(sys.argv[1], timeout=5).status == 200:
            sys.exit(0)
    except OSError:
        time.sleep(0.25)
sys.exit(1)
PY
}

# PostgreSQL refuses to run as root; root lends it another user.
as_other_user() {
  if [[ $(id -u) -ne 0 ]]; then
    "$@"
  elif id postgres >/dev/null 2>&1; then
    setpriv --reuid postgres --regid postgres --clear-groups -- "$@"
  else
    setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"
  fi
}

# Nothing in this cluster outlives the run, so it may be fast instead of safe.
start_postgres() {
  if [[ -n ${THUMBPRINT_TEST_POSTGRES:-} ]]; then
    say "   using THUMBPRINT_TEST_POSTGRES"
    return
  fi
  local bin dir port
  bin=$(find_postgres)
  temporary dir
  port=$(free_port)
  [[ $(id -u) -ne 0 ]] || chown "$(as_other_user id -u)" "$dir"
  cd "$dir"
  quiet as_other_user "$bin/initdb" -D "$dir/data" -A trust -U postgres --no-sync --locale C -E UTF8
  POSTGRES_STOP=(as_other_user "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop)
  quiet as_other_user "$bin/pg_ctl" -D "$dir/data" -l "$dir/postgres.log" -w start \
    -o "-p $port -k $dir -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync=off -c full_page_writes=off"
  cd "$ROOT"
  export THUMBPRINT_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
  say "   $THUMBPRINT_TEST_POSTGRES"
}

stop_postgres() { [[ ${#POSTGRES_STOP[@]} -eq 0 ]] || (cd / && "${POSTGRES_STOP[@]}") >/dev/null 2>&1; }
