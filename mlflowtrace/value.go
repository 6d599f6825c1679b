package mlflowtrace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// putAttributes writes attributes whose values are anything that JSON can express,
// in the order of their keys.
func putAttributes(out pcommon.Map, attrs map[string]any) error {
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		if text, ok := attrs[k].(string); ok {
			out.PutStr(clean(k), guardString(clean(text)))
			continue
		}
		b, err := json.Marshal(attrs[k])
		if err == nil {
			err = putJSON(out.PutEmpty(clean(k)), b)
		}
		if err != nil {
			return fmt.Errorf("attribute %s: %w", k, err)
		}
		if v, _ := out.Get(clean(k)); v.Type() == pcommon.ValueTypeStr { // a named string type
			v.SetStr(guardString(v.Str()))
		}
	}
	return nil
}

// isStructured reports whether s is a JSON string, object or array: MLflow decodes
// such an attribute by one level.
func isStructured(s string) bool {
	t := strings.TrimSpace(s)
	return t != "" && strings.ContainsRune(`"{[`, rune(t[0])) && json.Valid([]byte(s))
}

// guardString keeps a string a string where MLflow would decode it, by encoding
// it once more.
func guardString(s string) string {
	if !isStructured(s) {
		return s
	}
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

// putJSON writes one JSON text as OTLP's structured value. It keeps the order of
// members, in which MLflow's UI shows them, and whole numbers whole.
func putJSON(out pcommon.Value, b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return putNext(dec, out)
}

// putNext reads one value of the decoder. Text that it gets has been checked
// already, so that errors are those of the encoder's own mistakes.
func putNext(dec *json.Decoder, out pcommon.Value) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case string:
		out.SetStr(clean(v))
	case bool:
		out.SetBool(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			out.SetInt(n)
			return nil
		}
		f, _ := v.Float64() // a number beyond float64 becomes infinite; json.Marshal writes none
		out.SetDouble(f)
	case json.Delim:
		if v == '[' {
			return putArray(dec, out.SetEmptySlice())
		}
		return putObject(dec, out.SetEmptyMap())
	}
	return nil // null stays empty
}

func putArray(dec *json.Decoder, out pcommon.Slice) error {
	for dec.More() {
		if err := putNext(dec, out.AppendEmpty()); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func putObject(dec *json.Decoder, out pcommon.Map) error {
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if err := putNext(dec, out.PutEmpty(clean(name))); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// clean makes s fit for protobuf, which takes valid UTF-8 only, and for MLflow on
// PostgreSQL, which takes no U+0000.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
