package httpx_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

func TestCheckJSON(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"object", `{"a":{"a":[1,-2.5e10,true,null,"x"]},"b":{}}`, ""},
		{"text", ` "x" `, ""},
		{"escaped backslash before u", `"\\u0000"`, ""},
		{"pair", `"\ud83d\ude00"`, ""},
		{"same key in two objects", `[{"a":1},{"a":2}]`, ""},
		{"key like a value", `{"a":"a","b":"a"}`, ""},
		{"value that ends like a key", `{"a":"\"b\\","c":[":",{"a" : "a"}],"b":"}"}`, ""},
		{"deep enough", strings.Repeat("[", 64) + strings.Repeat("]", 64), ""},

		{"empty", ``, "The JSON ends too early."},
		{"cut", `{"a":`, "The JSON ends too early."},
		{"cut in a word", `{"a":tru`, "The JSON ends too early."},
		{"a word that is none", `{"a":tru }`, "The body is not valid JSON (near byte 9)."},
		{"cut in a word, with a space", `{"a":tru `, "The body is not valid JSON (near byte 9)."},
		{"not JSON", `hello`, "The body is not valid JSON (near byte 1)."},
		{"single quotes", `{'a':1}`, "The body is not valid JSON (near byte 2)."},
		{"trailing data", `{} {}`, "There is more after the end of the JSON."},
		{"trailing comma", `[1,]`, "The body is not valid JSON (near byte 4)."},
		{"BOM", "\xef\xbb\xbf{}", "The JSON begins with a byte order mark; send it without."},
		{"not UTF-8", "\"\xff\"", "The JSON is not valid UTF-8."},
		{"NaN", `[NaN]`, "The body is not valid JSON (near byte 2)."},
		{"too large a number", `[1e999]`, `The number "1e999" is out of range.`},
		{"duplicate key", `{"a":1,"b":{"a":1},"a":2}`, `The key "a" stands twice in one object of the JSON.`},
		{"duplicate key, far apart", "[{\"a\" \n:{\"b\":[{}]},\"c\":[[]],\"a\":0}]", `The key "a" stands twice in one object of the JSON.`},
		{"duplicate key, escaped", `{"a":1,"\u0061":2}`, `The key "a" stands twice in one object of the JSON.`},
		{"too deep", strings.Repeat("[", 65), "The JSON is nested deeper than 64 levels."},
		{"too deep, and closed", strings.Repeat("[", 65) + strings.Repeat("]", 65), "The JSON is nested deeper than 64 levels."},
		{"absurdly deep", strings.Repeat(`{"a":`, 100_000), "The JSON is nested deeper than 64 levels."},
		{"NUL", `{"a":"x\u0000y"}`, "The text holds the character U+0000, which cannot be stored."},
		{"NUL in a key", `{"\u0000":1}`, "The text holds the character U+0000, which cannot be stored."},
		{"lone high surrogate", `"\ud83d"`, "The text holds half of a character (a lone surrogate)."},
		{"lone low surrogate", `"\ude00"`, "The text holds half of a character (a lone surrogate)."},
		{"high surrogate twice", `"\ud83d\ud83d"`, "The text holds half of a character (a lone surrogate)."},
		{"high surrogate at the end", `"\ud83d\`, "The text holds half of a character (a lone surrogate)."},
		{"bad escape", `"\u00g0"`, "The body is not valid JSON (near byte 2)."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := httpx.CheckJSON([]byte(tc.in))
			got := ""
			if e := errs.As(err); e != nil {
				got = e.Public
			}
			if got != tc.want || (err != nil) != (tc.want != "") {
				t.Errorf("CheckJSON = %q (%v), want %q", got, err, tc.want)
			}
			if err != nil && !errs.Is(err, errs.Invalid) {
				t.Errorf("kind %v, want Invalid", errs.KindOf(err))
			}
		})
	}
}

// FuzzCheckJSON: what it accepts, encoding/json accepts, and reads the same
// text again after writing it.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2,{"b":null}]}`, `"\ud83d\ude00"`, `{"a":1,"a":2}`, `[1e400]`, `{"a`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if httpx.CheckJSON(data) != nil {
			return
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", data, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := httpx.CheckJSON(again); err != nil {
			t.Fatalf("%q became %q, which is refused: %v", data, again, err)
		}
	})
}
