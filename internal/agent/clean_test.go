package agent_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain":                    "plain",
		" two\r\n  lines\t":        "two lines",
		"a\u2028b\u202ec\x1b[31md": "a b c [31md",
		"bad \xff byte":            "bad \ufffd byte",
		"Incorrect API key provided: sk-proj-ab***xyz.":  "Incorrect API key provided: ***",
		"token dapi0123456789abcdef is expired":          "token *** is expired",
		"Authorization: Bearer abc.def":                  "Authorization: ***",
		"Authorization: Basic dTpw, then more":           "Authorization: ***, then more",
		"sent bearer s3cr3t!":                            "sent ***",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln wins": "*** wins",
		"GET https://u:p@host/x?api_key=123&b=1":         "GET https://***@host/x?api_key=***&b=1",
		`{"password": "hunter2", "a": 1}`:                `{"password": "***", "a": 1}`,
		"use my-own-token here":                          "use *** here",
		"a sketchy task, tokens: many":                   "a sketchy task, tokens: many",
	} {
		if got := agent.Clean(in, "my-own-token", ""); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	long := agent.Clean(strings.Repeat("ü", 100_000))
	if n := utf8.RuneCountInString(long); n != 500 || !strings.HasSuffix(long, "ü…") {
		t.Errorf("a long text has %d characters, ending %q", n, long[len(long)-8:])
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\r\nb", "secret")
	f.Add("xx\xffdapi0123456789", "d")
	f.Fuzz(func(t *testing.T, text, credential string) {
		got := agent.Clean(text, credential)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") || utf8.RuneCountInString(got) > 500 {
			t.Errorf("Clean(%q) = %q", text, got)
		}
		if len(credential) > 3 && utf8.ValidString(credential) && !strings.ContainsAny(credential, "*\ufffd…") && strings.Contains(got, credential) {
			if strings.Join(strings.Fields(credential), " ") == credential {
				t.Errorf("Clean(%q) = %q still holds %q", text, got, credential)
			}
		}
	})
}
