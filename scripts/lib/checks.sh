# What is checked. Versions of tools that run through `go run` are pinned here.

STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK=golang.org/x/vuln/cmd/govulncheck@v1.9.0

go_format_and_vet() {
  local unformatted
  unformatted=$(git ls-files -z --cached --others --exclude-standard -- '*.go' | xargs -0r gofmt -l)
  [[ -z $unformatted ]] || die "not formatted (gofmt -w): $unformatted"
  logged go vet ./...
}

go_staticcheck() { logged go run "$STATICCHECK" ./...; }

# Exit 3 means found; a database out of reach is said aloud and is no failure, since it says nothing about the code.
go_govulncheck() {
  local code=0
  timeout 120 go run "$GOVULNCHECK" ./... >"$CURRENT_LOG" 2>&1 || code=$?
  if [[ $code -eq 0 ]]; then
    tail -n 3 "$CURRENT_LOG"
  elif grep -qE 'fetching vulnerabilities|dial tcp|no such host|connection refused|i/o timeout' "$CURRENT_LOG" || [[ $code -eq 124 ]]; then
    say "   NOT CHECKED: the vulnerability database cannot be reached from here"
  else
    cat "$CURRENT_LOG"
    return 1
  fi
}

web_checks() {
  logged npm --prefix web run --silent check
  logged npm --prefix web run --silent lint
  logged npm --prefix web run --silent test
  forbid_skips
}

# The build is byte for byte the same everywhere, so building again must change nothing.
web_stale_build() {
  local before after
  before=$(build_checksums)
  quiet npm --prefix web run build
  after=$(build_checksums)
  [[ $before == "$after" ]] || die "internal/webui/dist was not what web/ builds; it is now, commit it:"$'\n'"$(diff <(echo "$before") <(echo "$after"))"
}

build_checksums() { find internal/webui/dist -type f -print0 | sort -z | xargs -0r sha256sum; }

web_browser_tests() {
  CHROMIUM=$THUMBPRINT_TEST_CHROMIUM logged npm --prefix web run --silent test:browser
  forbid_skips
}

# vet has had its stage.
go_tests() {
  go test -race -vet=off -shuffle=on -count=1 -timeout 5m -json ./... 2>"$LOGS/go_tests.stderr" |
    tee "$LOGS/go_tests.json" | python3 scripts/lib/go_report.py ${CI:+--no-skips} ||
    { tail -n 30 "$LOGS/go_tests.stderr"; return 1; }
}

# Without the race detector, which makes them ten times as slow; go_tests runs a few with it.
simulated_deliveries() {
  local sim=(go test ./internal/delivery -count=1 -timeout 10m -v)
  GOGC=400 logged "${sim[@]}" -run SimulatedOnTheModel -sim.seeds 100000
  logged "${sim[@]}" -run ADayWithoutMLflow -day.ratings 100000
  logged "${sim[@]}" -parallel 8 -run SimulatedDelivery -sim.seeds 1000
}

page_tests() {
  local dir
  temporary dir
  quiet go build -o "$dir/thumbprint" ./cmd/thumbprint
  THUMBPRINT_BINARY=$dir/thumbprint CHROMIUM=$THUMBPRINT_TEST_CHROMIUM logged npm --prefix web run --silent test:real
  forbid_skips
}

e2e_tests() {
  logged node test/e2e/run.mjs
  forbid_skips
}

# In CI a skipped test is a failure, because a green run must mean that it ran. Both runners print the sum at the end.
forbid_skips() {
  [[ -n $CI ]] || return 0
  ! grep -E '[1-9][0-9]* (skipped|todo)|(skipped|todo) [1-9]' "$CURRENT_LOG" || die "tests were skipped, see above"
}
