# Stages: a heading, the seconds it took, its output on screen and in a log.

CURRENT_STAGE=
CURRENT_LOG=
STARTED=()   # process groups to end, newest last
TEMPORARY=() # folders to remove

say() { printf '%s\n' "$*"; }

die() {
  printf 'scripts/test: %s\n' "$*" >&2
  exit 1
}

# stage HEADING FUNCTION: runs in this shell, so that a stage may start servers and export where they are.
stage() {
  CURRENT_STAGE=$1
  CURRENT_LOG=$LOGS/$2.log
  local began=$SECONDS
  printf '\n── %s\n' "$1"
  : >"$CURRENT_LOG"
  "$2"
  printf '   %ds\n' $((SECONDS - began))
  CURRENT_STAGE=
}

# logged COMMAND…: on screen and in the stage's log; its exit code is the command's.
logged() { "$@" 2>&1 | tee -a "$CURRENT_LOG"; }

# quiet COMMAND…: only in the log, which is shown when the command fails.
quiet() {
  "$@" >>"$CURRENT_LOG" 2>&1 && return 0
  local code=$?
  tail -n 40 "$CURRENT_LOG"
  return "$code"
}

# background NAME COMMAND…: a process group of its own, ended by finish.
background() {
  local name=$1
  shift
  setsid "$@" >"$LOGS/$name.log" 2>&1 </dev/null &
  STARTED+=($!)
}

finish() {
  local code=$1
  trap - EXIT INT TERM
  set +e
  local pid dir
  [[ -z ${INSTALLING:-} ]] || kill "$INSTALLING" 2>/dev/null
  for pid in "${STARTED[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done
  stop_postgres
  for pid in "${STARTED[@]}"; do end_group "$pid"; done
  for dir in "${TEMPORARY[@]}"; do rm -rf -- "$dir"; done
  if [[ $code -eq 0 ]]; then
    printf '\nEverything passed in %ds: %s\n' "$SECONDS" "${wanted[*]}"
  else
    printf '\nFAILED after %ds%s. Logs: %s\n' "$SECONDS" "${CURRENT_STAGE:+ in \"$CURRENT_STAGE\"}" "${LOGS#"$ROOT"/}" >&2
  fi
  exit "$code"
}

# end_group waits up to 10 s for a process group that was asked to end, then ends it.
end_group() {
  local i
  for ((i = 0; i < 100; i++)); do
    kill -0 -- "-$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$1" 2>/dev/null
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# temporary VARIABLE: a new folder outside the checkout that anyone may enter (PostgreSQL runs as another user).
temporary() {
  local made
  made=$(mktemp -d "${TMPDIR:-/tmp}/thumbprint-test.XXXXXX")
  chmod 755 "$made"
  TEMPORARY+=("$made")
  printf -v "$1" '%s' "$made"
}
