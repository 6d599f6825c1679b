package mlflow

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzEncodeJSON holds the encoder against the plain rule: remove U+0000 from the
// text, then encode.
func FuzzEncodeJSON(f *testing.F) {
	for _, s := range []string{"", "\x00", `\u0000`, `\\u0000`, "\\\x00", "\x00\\", `\` + "\x00u0000", "é\x00\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			t.Skip("JSON replaces invalid UTF-8; not what is tested here")
		}
		b, err := encodeJSON(map[string]string{"k": s})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q became %s: %v", s, b, err)
		}
		if want := strings.ReplaceAll(s, "\x00", ""); got["k"] != want {
			t.Errorf("%q became %q, want %q", s, got["k"], want)
		}
	})
}
