package mlflowtrace

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// FuzzPutJSON compares the ordered decoder with encoding/json's own, for every text
// that is JSON.
func FuzzPutJSON(f *testing.F) {
	for _, seed := range []string{
		`null`, `"x"`, `[1,2.5,-0,1e3,9007199254740993,123456789012345678901]`, `{"b":{"a":[]},"a":{}}`, `{"a":1,"a":{"b":2}}`,
		`"\ud800"`, `[[[[]]],{"":null}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) || bytes.Contains(b, []byte(`\u0000`)) {
			return // with U+0000 removed two keys may become one
		}
		out := pcommon.NewValueEmpty()
		if err := putJSON(out, b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		var want any
		if err := json.Unmarshal(b, &want); err != nil {
			return // a number beyond float64
		}
		if diff := cmp.Diff(cleaned(want), floats(out.AsRaw()), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-encoding/json +ours):\n%s", b, diff)
		}
	})
}

// cleaned applies clean to all texts.
func cleaned(v any) any {
	switch v := v.(type) {
	case string:
		return clean(v)
	case []any:
		for i := range v {
			v[i] = cleaned(v[i])
		}
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			m[clean(k)] = cleaned(e)
		}
		return m
	}
	return v
}

// floats makes whole numbers the float64 that encoding/json has for all.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}
