package otlp_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi/otlp"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

const request = `{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}, "scopeSpans": [{"spans": [
 {"traceId": "0123456789abcdef0123456789abcdef", "spanId": "00000000000000f1", "parentSpanId": "00000000000000f0", "name": "llm", "kind": 3,
  "startTimeUnixNano": "1795377177690000001", "endTimeUnixNano": "1795377177695000002", "status": {"code": 2, "message": "boom"},
  "attributes": [
   {"key": "mlflow.traceRequestId", "value": {"stringValue": "\"forged\""}},
   {"key": "object", "value": {"stringValue": " {\"q\":  [1, 2.50]}"}},
   {"key": "string", "value": {"stringValue": "\"inner\""}},
   {"key": "number", "value": {"stringValue": "1"}},
   {"key": "broken", "value": {"stringValue": "{\"q\": "}},
   {"key": "int", "value": {"intValue": "9007199254740993"}},
   {"key": "double", "value": {"doubleValue": 4}},
   {"key": "bool", "value": {"boolValue": true}},
   {"key": "none", "value": {}},
   {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "{\"not\": \"opened\"}"}, {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": "1"}}]}}]}}},
   {"key": "text", "value": {"stringValue": "a\u0000b\n<é>"}}],
  "events": [{"timeUnixNano": "1795377177691000000", "name": "exception", "attributes": [{"key": "exception.type", "value": {"stringValue": "ValueError"}}]}],
  "links": [{"traceId": "0123456789abcdef0123456789abcde0", "spanId": "00000000000000e1"}]},
 {"traceId": "", "spanId": "00000000000000f2", "name": "no trace id"}]}]}]}`

func decodeProto(body []byte) (otlp.Batch, error) { return decoded(otlp.ReadProto(body)) }

func decodeJSON(body []byte) (otlp.Batch, error) { return decoded(otlp.ReadJSON(body)) }

func decoded(r otlp.Request, err error) (otlp.Batch, error) {
	if err != nil {
		return otlp.Batch{}, err
	}
	return r.Decode()
}

func attr(key, value string) tracestore.Attribute {
	return tracestore.Attribute{Key: key, Value: json.RawMessage(value)}
}

// TestDecode: JSON, and the same as protobuf.
func TestDecode(t *testing.T) {
	want := tracestore.Span{
		TraceID: "tr-0123456789abcdef0123456789abcdef", ID: "00000000000000f1", ParentID: "00000000000000f0", Name: "llm",
		Status: tracestore.StatusError, StatusMessage: "boom", StartNS: 1795377177690000001, EndNS: 1795377177695000002,
		Attributes: []tracestore.Attribute{
			attr("mlflow.traceRequestId", `"tr-0123456789abcdef0123456789abcdef"`), attr("object", `{"q":  [1, 2.50]}`), attr("string", `"inner"`),
			attr("number", `"1"`), attr("broken", `"{\"q\": "`), attr("int", "9007199254740993"), attr("double", "4.0"), attr("bool", "true"), attr("none", "null"),
			attr("list", `["{\"not\": \"opened\"}", {"k": 1}]`), attr("text", `"ab\n<é>"`),
		},
		Events:   []tracestore.Event{{Name: "exception", TimeNS: 1795377177691000000, Attributes: []tracestore.Attribute{attr("exception.type", `"ValueError"`)}}},
		Links:    []tracestore.Link{{TraceID: "0123456789abcdef0123456789abcde0", SpanID: "00000000000000e1", Attributes: []tracestore.Attribute{}}},
		Resource: []tracestore.Attribute{attr("service.name", `"svc"`)},
	}
	var u ptrace.JSONUnmarshaler
	traces, err := u.UnmarshalTraces([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	var m ptrace.ProtoMarshaler
	proto, err := m.MarshalTraces(traces)
	if err != nil {
		t.Fatal(err)
	}
	for name, decode := range map[string]func() (otlp.Batch, error){
		"json":     func() (otlp.Batch, error) { return decodeJSON([]byte(request)) },
		"protobuf": func() (otlp.Batch, error) { return decodeProto(proto) },
	} {
		got, err := decode()
		if diff := cmp.Diff(otlp.Batch{Spans: []tracestore.Span{want}, Rejected: 1}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"garbage": "\xff\xff", "not an object": "[]",
		"nested": `{"resourceSpans":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}", "cut": request[:len(request)-5],
	} {
		if _, err := decodeJSON([]byte(body)); !errors.Is(err, otlp.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, body := range []string{`{}`, `{"resourceSpans": []}`} {
		if _, err := decodeJSON([]byte(body)); !errors.Is(err, otlp.ErrNoSpans) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := decodeProto([]byte("\xff\xff\xff")); !errors.Is(err, otlp.ErrFormat) {
		t.Errorf("garbage: %v", err)
	}
	if b, err := decodeJSON([]byte(`{"resourceSpans": [{"scopeSpans": []}]}`)); err != nil || len(b.Spans) != 0 {
		t.Errorf("empty scopeSpans: %v, %v", b, err)
	}
}

// nested returns a request with a value that is depth lists deep.
func nested(t *testing.T, depth int) []byte {
	t.Helper()
	traces := ptrace.NewTraces()
	sp := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	sp.SetTraceID(pcommon.TraceID{1})
	sp.SetSpanID(pcommon.SpanID{1})
	v := sp.Attributes().PutEmpty("k")
	for range depth {
		v = v.SetEmptySlice().AppendEmpty()
	}
	var m ptrace.ProtoMarshaler
	body, err := m.MarshalTraces(traces)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestDepth(t *testing.T) {
	if _, err := decodeProto(nested(t, 90)); err != nil {
		t.Errorf("90 levels: %v", err)
	}
	if _, err := decodeProto(nested(t, 5000)); !errors.Is(err, otlp.ErrFormat) {
		t.Errorf("5000 levels: %v", err)
	}
}

// TestDepthCannotBeHidden: what the decoder reads and the look at the depth
// would miss is refused. Otherwise one request ends the process.
func TestDepthCannotBeHidden(t *testing.T) {
	field := func(tag uint64, content []byte) []byte {
		b := binary.AppendUvarint(binary.AppendUvarint(nil, tag), uint64(len(content)))
		return append(b, content...)
	}
	deep := nested(t, 5000)
	_, tagSize := binary.Uvarint(deep)
	_, lengthSize := binary.Uvarint(deep[tagSize:])
	resourceSpans := deep[tagSize+lengthSize:]
	_, tagSize = binary.Uvarint(resourceSpans)
	for resourceSpans[0] != 2<<3|2 { // its resource, which is empty
		resourceSpans = resourceSpans[2:]
	}
	_, lengthSize = binary.Uvarint(resourceSpans[tagSize:])
	scopeSpans := resourceSpans[tagSize+lengthSize:]
	for name, body := range map[string][]byte{
		"by the old name of scope spans": field(1<<3|2, field(1000<<3|2, scopeSpans)),
		"behind a group":                 append([]byte{15<<3 | 3, 15<<3 | 4}, deep...),
		"behind an overlong number":      append([]byte{15 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, deep...),
		"in a field of 33 bits":          field((1<<32+1)<<3|2, resourceSpans),
	} {
		if _, err := decodeProto(body); !errors.Is(err, otlp.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBombs: two bytes of a request can ask for a hundred of memory, so what is too
// much is refused before it is decoded.
func TestBombs(t *testing.T) {
	const many = otlp.MaxMessages + 1
	field := func(number uint64, content []byte) []byte {
		b := binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|2), uint64(len(content)))
		return append(b, content...)
	}
	empty := func(number uint64) []byte { return bytes.Repeat(field(number, nil), many) }
	inSpan := func(content []byte) []byte { return field(1, field(2, field(2, content))) }
	// A trace id that is a number, and a name whose tag and length (five bytes) would be
	// taken for a text of that length, and what it holds for fields.
	asName := func(content []byte) []byte {
		n := len(content)
		head := []byte{1 << 3, 5, 5<<3 | 2, byte(n) | 0x80, byte(n>>7) | 0x80, byte(n>>14) | 0x80, byte(n >> 21)}
		return slices.Concat(head, content, field(2, []byte{0}))
	}
	jsonSpans := func(content string) []byte {
		return []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[` + content + `]}]}]}`)
	}
	list := func(name, item string) string {
		return `{"` + name + `":[` + strings.Repeat(item+",", many) + item + `]}`
	}
	for name, tc := range map[string]struct {
		decode func([]byte) (otlp.Batch, error)
		body   []byte
		want   string
	}{
		"spans":                          {decodeProto, field(1, field(2, empty(2))), "more than 50000 spans"},
		"spans of several scopes":        {decodeProto, bytes.Repeat(field(1, field(2, field(2, nil))), otlp.MaxSpans+1), "more than 50000 spans"},
		"events":                         {decodeProto, inSpan(empty(11)), "more than 2000000 events"},
		"links":                          {decodeProto, inSpan(empty(13)), "more than 2000000 events"},
		"attributes":                     {decodeProto, inSpan(empty(9)), "more than 2000000 events"},
		"values":                         {decodeProto, inSpan(field(9, field(2, field(5, empty(1))))), "more than 2000000 events"},
		"resources":                      {decodeProto, empty(1), "more than 2000000 events"},
		"names of entities":              {decodeProto, field(1, field(1, field(3, empty(3)))), "more than 2000000 events"},
		"events in a name":               {decodeProto, inSpan(asName(empty(11))), "Invalid OpenTelemetry format"},
		"JSON: spans":                    {decodeJSON, jsonSpans(strings.Repeat("{},", many) + "{}"), "more than 50000 spans"},
		"JSON: events":                   {decodeJSON, jsonSpans(list("events", "{}")), "more than 2000000 events"},
		"JSON: nulls":                    {decodeJSON, jsonSpans(strings.Repeat("null,", many) + "null"), "Invalid OpenTelemetry format"},
		"JSON: numbers":                  {decodeJSON, jsonSpans(strings.Repeat("1,", many) + "1"), "Invalid OpenTelemetry format"},
		"JSON: a text taken for a list":  {decodeJSON, jsonSpans(`"` + strings.Repeat(",", many) + `"`), "Invalid OpenTelemetry format"},
		"JSON: a text behind a mismatch": {decodeJSON, jsonSpans(`{"name":true,"x":"` + strings.Repeat(",", many) + `"}`), "Invalid OpenTelemetry format"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := tc.decode(tc.body)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, otlp.ErrFormat) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %s", err, tc.want)
			}
			most := uint64(1 << 20) // protobuf is only looked at
			if strings.HasPrefix(name, "JSON") {
				most += 10 * uint64(len(tc.body)) // it is turned into protobuf until it is too much
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > most {
				t.Errorf("took %d bytes of memory, want at most %d for a request of %d", used, most, len(tc.body))
			}
		})
	}
}

// TestDecodeJSONForms: what the encoding of protobuf in JSON allows.
func TestDecodeJSONForms(t *testing.T) {
	const body = `{"resource_spans": [{"scope_spans": [{"unknown": [{"x": [1]}], "spans": [{"kind": "SPAN_KIND_SERVER", "trace_id": "0123456789ABCDEF0123456789abcdef",
		"spanId": "00000000000000f1", "parentSpanId": null, "name": null, "start_time_unix_nano": 1.5e18, "endTimeUnixNano": 1795377177695000002,
		"status": {"code": "STATUS_CODE_ERROR"}, "events": [], "links": null, "attributes": [{"value": {"int_value": 7.0}, "key": "int"}, {"key": "min", "value": {"intValue": "-9223372036854775808"}},
		{"key": "nan", "value": {"doubleValue": "NaN"}}, {"key": "bytes", "value": {"bytesValue": "AAH/"}}, {"key": "null", "value": null}, {"key": "lone \ud800", "value": {"stringValue": "😀"}}]}]}]}]}`
	got, err := decodeJSON([]byte(body))
	want := otlp.Batch{Spans: []tracestore.Span{{
		TraceID: "tr-0123456789abcdef0123456789abcdef", ID: "00000000000000f1", Status: tracestore.StatusError, StartNS: 15e17, EndNS: 1795377177695000002,
		Attributes: []tracestore.Attribute{
			attr("int", "7"), attr("min", "-9223372036854775808"), attr("nan", `"NaN"`), attr("bytes", `"AAH/"`), attr("null", "null"), attr("lone \uFFFD", `"😀"`),
			attr("mlflow.traceRequestId", `"tr-0123456789abcdef0123456789abcdef"`),
		},
		Resource: []tracestore.Attribute{},
	}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	const span = `{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0123456789abcdef0123456789abcdef", "spanId": "00000000000000f1", `
	for _, field := range []string{
		`"name": 1`, `"name": ["x"]`, `"traceId": 5`, `"startTimeUnixNano": -1`, `"startTimeUnixNano": "soon"`, `"startTimeUnixNano": true`, `"status": []`, `"status": {"code": true}`,
		`"attributes": {}`, `"attributes": [1]`, `"attributes": [null]`, `"attributes": [{"key": "k", "value": "v"}]`, `"attributes": [{"value": {"intValue": 1.5}}]`,
		`"attributes": [{"value": {"boolValue": "true"}}]`, `"attributes": [{"value": {"doubleValue": false}}]`, `"attributes": [{"value": {"bytesValue": "?"}}]`, `"attributes": [{"value": {"arrayValue": [1]}}]`,
	} {
		if b, err := decodeJSON([]byte(span + field + "}]}]}]}")); !errors.Is(err, otlp.ErrFormat) {
			t.Errorf("%s: %v, %v", field, b, err)
		}
	}
}

// TestMalformedIDs: a span with an id that is none is left out, and spoils neither
// the others nor, as a link, its span.
func TestMalformedIDs(t *testing.T) {
	const good = `{"traceId": "0123456789abcdef0123456789abcdef", "spanId": "00000000000000f1", "parentSpanId": "00000000000000f0", "name": "n", "links": [{"traceId": "0123456789abcdef0123456789abcdef", "spanId": "00000000000000f2"}]}`
	for what, tc := range map[string]struct {
		from, to               string
		spans, links, rejected int
	}{
		"nothing":                 {"", "", 2, 2, 0},
		"a short trace":           {`"0123456789abcdef0123456789abcdef", "spanId": "00000000000000f1"`, `"0123", "spanId": "00000000000000f1"`, 1, 1, 1},
		"a long span":             {"00000000000000f1", "00000000000000f1f1f1", 1, 1, 1},
		"a span in base64":        {"00000000000000f1", "AAAAAAAAAPE=", 1, 1, 1},
		"a short parent":          {"00000000000000f0", "f0", 1, 1, 1},
		"no parent":               {"00000000000000f0", "", 2, 2, 0},
		"a short span in a link":  {"00000000000000f2", "f2", 2, 1, 0},
		"no span":                 {"00000000000000f1", "", 1, 1, 1},
		"a trace that is no text": {`"00000000000000f1"`, `"é"`, 1, 1, 1},
	} {
		body := `{"resourceSpans": [{"scopeSpans": [{"spans": [` + strings.Replace(good, tc.from, tc.to, 1) + ", " + good + `]}]}]}`
		got, err := decodeJSON([]byte(body))
		links := 0
		for _, sp := range got.Spans {
			links += len(sp.Links)
		}
		if err != nil || len(got.Spans) != tc.spans || links != tc.links || got.Rejected != tc.rejected {
			t.Errorf("%s: %d spans, %d links, %d rejected, %v", what, len(got.Spans), links, got.Rejected, err)
		}
	}
	// An overlong tag is a tag.
	id := "\x8a\x80\x00\x02xx\x12\x0812345678"
	span := string(rune(0x12)) + string(rune(len(id))) + id
	scope := string(rune(0x12)) + string(rune(len(span))) + span
	if got, err := decodeProto([]byte("\x0a" + string(rune(len(scope))) + scope)); err != nil || got.Rejected != 1 {
		t.Errorf("an overlong tag: %+v, %v", got, err)
	}
}

func TestTranslate(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want []tracestore.Attribute
	}{
		{"gen_ai", []tracestore.Attribute{
			attr("gen_ai.operation.name", `"chat"`), attr("gen_ai.input.messages", `"[{\"role\": \"user\"}]"`), attr("gen_ai.usage.input_tokens", "3"),
			attr("gen_ai.usage.output_tokens", `"4"`), attr("gen_ai.response.model", `"gpt-x"`), attr("gen_ai.provider.name", `"openai"`),
		}, []tracestore.Attribute{
			attr("mlflow.spanType", `"CHAT_MODEL"`), attr("mlflow.spanInputs", `[{"role": "user"}]`),
			attr("mlflow.chat.tokenUsage", `{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}`), attr("mlflow.llm.model", `"gpt-x"`), attr("mlflow.llm.provider", `"openai"`),
		}},
		{"openinference", []tracestore.Attribute{
			attr("mlflow.spanType", `"UNKNOWN"`), attr("openinference.span.kind", `"TOOL"`), attr("input.value", `"in"`), attr("output.value", `"out"`), attr("llm.token_count.total", "9"),
		}, []tracestore.Attribute{attr("mlflow.spanInputs", `"in"`), attr("mlflow.spanOutputs", `"out"`), attr("mlflow.chat.tokenUsage", `{"total_tokens": 9}`)}},
		{"own attributes win", []tracestore.Attribute{attr("mlflow.spanType", `"AGENT"`), attr("gen_ai.operation.name", `"chat"`), attr("mlflow.spanInputs", `{"model": "m-1"}`), attr("input.value", `"x"`)},
			[]tracestore.Attribute{attr("mlflow.llm.model", `"m-1"`)}},
	} {
		sp := tracestore.Span{TraceID: "tr-1", Attributes: append([]tracestore.Attribute{attr("mlflow.traceRequestId", `"x"`)}, tc.in...)}
		n := len(sp.Attributes)
		otlp.Normalize(&sp)
		if diff := cmp.Diff(tc.want, sp.Attributes[n:]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	sp := tracestore.Span{TraceID: "tr-1", Events: []tracestore.Event{
		{Name: "gen_ai.user.message", Attributes: []tracestore.Attribute{attr("content", `"hi"`)}}, {Name: "gen_ai.choice", Attributes: []tracestore.Attribute{attr("content", `"hello"`)}},
	}, Attributes: []tracestore.Attribute{attr("gen_ai.system", `"x"`)}}
	otlp.Normalize(&sp)
	want := []tracestore.Attribute{attr("gen_ai.system", `"x"`), attr("mlflow.traceRequestId", `"tr-1"`),
		attr("mlflow.spanInputs", `[{"role": "user", "content": "hi"}]`), attr("mlflow.spanOutputs", `[{"role": "assistant", "content": "hello"}]`)}
	if diff := cmp.Diff(want, sp.Attributes); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// FuzzDecode: no body crashes the decoder, and every value it gives is JSON.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{request, `{"resourceSpans" : [ { "scope_spans":[{"spans":[{"a":{"b":[1,"\\"]},"name":"\u00e9\\n","startTimeUnixNano":1e3,"status":{"code":"X"},"attributes":[{"value":null,"key":"k"}]} ,{}]}]}]}`} {
		f.Add([]byte(seed), true)
	}
	var u ptrace.JSONUnmarshaler
	if traces, err := u.UnmarshalTraces([]byte(request)); err == nil {
		var m ptrace.ProtoMarshaler
		if body, err := m.MarshalTraces(traces); err == nil {
			f.Add(body, false)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		body = bytes.Clone(body)
		decode := decodeProto
		if asJSON {
			decode = decodeJSON
		}
		batch, err := decode(body)
		if err != nil {
			return
		}
		for _, sp := range batch.Spans {
			if len(sp.TraceID) != 35 || len(sp.ID) != 16 {
				t.Fatalf("ids %q %q", sp.TraceID, sp.ID)
			}
			for _, a := range sp.Attributes {
				if !json.Valid(a.Value) {
					t.Fatalf("attribute %q has value %q", a.Key, a.Value)
				}
			}
		}
	})
}
