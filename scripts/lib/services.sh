# The real servers: one MLflow and one PostgreSQL for the whole run.

POSTGRES_STOP=()

# One worker: with several, each keep-alive connection stalls 40 ms a request. Jobs off: nothing here uses them.
start_mlflow() {
  if [[ -n ${THUMBPRINT_TEST_MLFLOW:-} ]]; then
    say "   using $THUMBPRINT_TEST_MLFLOW"
    return
  fi
  local dir port
  temporary dir
  port=$(free_port)
  MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    background mlflow-server "$THUMBPRINT_TEST_PYTHON" -m mlflow server \
    --host 127.0.0.1 --port "$port" --workers 1 \
    --backend-store-uri "sqlite:///$dir/mlflow.db" --artifacts-destination "$dir/artifacts"
  export THUMBPRINT_TEST_MLFLOW=http://127.0.0.1:$port
}

wait_for_mlflow() {
  python3 - "$THUMBPRINT_TEST_MLFLOW/health" <<'PY' || { tail -n 30 "$LOGS/mlflow-server.log"; die "MLflow did not become healthy within 120 s"; }
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
  say "   $THUMBPRINT_TEST_MLFLOW"
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
