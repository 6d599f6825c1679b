# Installing what the tests need, pinned and once: a stamp holds the checksum of what was asked for.

check_tools() {
  local tool
  for tool in go python3 node npm git setsid; do
    command -v "$tool" >/dev/null || die "$tool is needed and not there"
  done
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "Python 3.10 or newer is needed, this is $(python3 --version)"
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    die "Node 20.19 or newer is needed, this is $(node --version)"
  say "   $(go version | cut -d' ' -f3), $(python3 --version), Node $(node --version), npm $(npm --version)"
}

# up_to_date STAMP FILE…: true when the stamp was written for these very files.
up_to_date() { [[ -f $1 && $(<"$1") == "$(cat "${@:2}" | sha256sum)" ]]; }
stamp() { cat "${@:2}" | sha256sum >"$1"; }

install_python() {
  local venv=$CACHE/venv files=(test/python/requirements.txt test/python/constraints.txt)
  if ! up_to_date "$venv/.installed-for" "${files[@]}"; then
    say "   making .cache/venv (about a minute)"
    rm -rf "$venv"
    quiet python3 -m venv "$venv" || die "python3 -m venv failed (on Debian: apt-get install python3-venv)"
    # What is never imported need not be compiled either, which is most of it.
    quiet "$venv/bin/python" -m pip install --no-compile --quiet --disable-pip-version-check -r "${files[0]}" -c "${files[1]}"
    stamp "$venv/.installed-for" "${files[@]}"
  fi
  export THUMBPRINT_TEST_PYTHON=$venv/bin/python
}

INSTALLING=

# begin_installing starts what mostly waits for a network, beside the checks that need none of it. The stages
# that need it find it done, or do it.
begin_installing() {
  wants web || wants go || wants e2e || return 0
  (
    CURRENT_LOG=$LOGS/begin_installing.log
    if wants go || wants e2e; then install_python; fi
    if wants web || wants e2e; then install_npm; fi
  ) >"$LOGS/begin_installing.log" 2>&1 &
  INSTALLING=$!
}

end_installing() {
  wait "$INSTALLING" || { tail -n 40 "$LOGS/begin_installing.log"; die "the installation failed, see above"; }
  INSTALLING=
}

install_npm() {
  local dir
  for dir in web test/e2e clients/js/example/react; do
    up_to_date "$dir/node_modules/.installed-for" "$dir/package-lock.json" && continue
    say "   npm ci in $dir"
    quiet npm --prefix "$dir" ci --ignore-scripts --no-audit --no-fund
    stamp "$dir/node_modules/.installed-for" "$dir/package-lock.json"
  done
}

find_chromium() {
  local name
  for name in "${THUMBPRINT_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome; do
    [[ -n $name ]] && command -v "$name" && return 0
  done
  return 1
}

# find_postgres prints the folder of initdb: Debian keeps it off the PATH.
find_postgres() {
  local initdb
  initdb=$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) || true
  [[ -n $initdb ]] && dirname "$initdb"
}

install_packages() {
  local missing=()
  find_chromium >/dev/null || missing+=(chromium)
  [[ -n ${THUMBPRINT_TEST_POSTGRES:-} ]] || find_postgres >/dev/null || missing+=(postgresql)
  # Without it a developer's run says what it did not test; in CI that is a failure.
  command -v strace >/dev/null || [[ -z $CI && $(id -u) -ne 0 ]] || missing+=(strace)
  if [[ ${#missing[@]} -gt 0 ]]; then
    if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
      die "missing: ${missing[*]}. Install with your system's packages (Debian: sudo apt-get install ${missing[*]}), or set THUMBPRINT_TEST_CHROMIUM (a path) and THUMBPRINT_TEST_POSTGRES (a URL)"
    fi
    say "   apt-get install ${missing[*]}"
    quiet apt-get update
    # RUNLEVEL=1 keeps Debian from starting a cluster of its own that nobody would end.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive quiet apt-get install -y --no-install-recommends "${missing[@]}"
  fi
  THUMBPRINT_TEST_CHROMIUM=$(find_chromium)
  export THUMBPRINT_TEST_CHROMIUM
}
