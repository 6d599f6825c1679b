// Package requestid makes and checks client_request_ids: the names of answers.
//
// Every answer has a name before it exists. The name is minted here, before the
// agent is called, and is all that a person's rating needs to find the answer's
// trace. It names an answer and grants nothing: whoever acts on it is checked
// against the link table, never against the shape of the id.
package requestid

import (
	"crypto/rand"
	"encoding/hex"
)

// MaxLen is the longest client_request_id MLflow can hold: its column is
// String(50), and PostgreSQL refuses more (MLflow 3.17 dbmodels/models.py).
const MaxLen = 50

// New returns a fresh client_request_id: "req-" and 16 lower-case hex digits
// from the operating system's cryptographic source. It is safe for concurrent
// use and cannot fail (crypto/rand.Read never returns an error since Go 1.24).
func New() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return "req-" + hex.EncodeToString(b[:])
}

// Valid reports whether s can be a client_request_id of any origin: 1 to MaxLen
// characters of [A-Za-z0-9._:-]. MLflow's filter language has no escape for
// quotes, so anything outside this set must never reach a filter_string.
func Valid(s string) bool {
	if len(s) == 0 || len(s) > MaxLen {
		return false
	}
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

func allowed(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == ':' || c == '-'
}
