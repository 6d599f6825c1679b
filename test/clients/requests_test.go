package clients

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// What TestAnswersAsMLflow asks.

func (sp *speaker) orders() {
	for _, key := range []string{
		"timestamp_ms", "timestamp", "execution_time_ms", "execution_time", "end_time", "end_time_ms", "status", "state", "request_id", "trace_id", "experiment_id", "name",
		"client_request_id", "run_id", "request_time", "attributes.timestamp_ms", "trace.status", "tags.team", "tag.team", "tags.`with space`", "tags.nope", "tags.`mlflow.traceName`", "metadata.`my.key`",
		"request_metadata.`my.key`", "metadata.`mlflow.trace.session`", "metadata.`mlflow.trace.tokenUsage`", "metadata.nope", "feedback.rating", "span.name", "nonsense", "",
	} {
		for _, direction := range []string{"", " ASC", " DESC", " desc", " sideways"} {
			sp.found(map[string]any{"max_results": 50, "order_by": []string{key + direction}})
		}
	}
	for _, keys := range [][]string{{"status DESC", "timestamp_ms"}, {"tags.team", "request_id DESC"}, {"metadata.`mlflow.trace.session` DESC", "name DESC"}, {"timestamp_ms", "timestamp_ms DESC"}, {}} {
		sp.found(map[string]any{"max_results": 50, "order_by": keys})
	}
}

func (sp *speaker) pages() {
	for _, order := range [][]string{nil, {"timestamp_ms ASC"}, {"status"}, {"tags.team DESC"}, {"metadata.`mlflow.trace.session`", "execution_time DESC"}} {
		for _, size := range []int{2, 3} {
			search := map[string]any{"max_results": size, "order_by": order}
			for range 7/size + 1 { // no size divides 7, so that nobody has a token after the last page
				search["page_token"] = sp.found(search)
			}
		}
	}
	first := map[string]any{"max_results": 3}
	token := sp.found(first)
	sp.name("$new", putSearched(sp.t, sp.s, sp.said("$experiment"), sp.said("$prefix"), 8))
	first["page_token"] = token
	sp.found(first)
	sp.ask(http.MethodPost, "/api/3.0/mlflow/traces/delete-traces", `{"experiment_id":"$experiment","request_ids":["$new"]}`)
	for _, size := range []any{0, -1, 500, 501, "3", "x", 1.5, nil} {
		sp.found(map[string]any{"max_results": size})
	}
	for _, token := range []any{"%%%", "abc", "", 7} {
		sp.found(map[string]any{"max_results": 3, "page_token": token})
	}
}

func (sp *speaker) metrics() {
	ask := func(body string) {
		sp.t.Helper()
		sp.ask(http.MethodPost, "/api/3.0/mlflow/traces/metrics", `{"experiment_ids":["$experiment"],`+body+`}`)
		sp.notes[len(sp.notes)-1].request = "metrics " + body
	}
	const window = `,"start_time_ms":1700000000000,"end_time_ms":1700000009000`
	for _, v := range []struct{ view, metrics, dimensions, filters string }{
		{"TRACES", "trace_count session_count latency input_tokens output_tokens total_tokens cache_read_input_tokens nonsense", "trace_name trace_status nonsense",
			"trace.status = 'OK'|trace.tag.team = 'T1'|trace.metadata.`my.key` = 'v1'|trace.status != 'OK'|span.name = 'model'|nonsense"},
		{"SPANS", "span_count latency total_cost trace_count", "span_name span_type span_status span_model_name trace_name", "span.name = 'model'|span.type = 'LLM'|span.status = 'OK'|trace.status = 'OK'"},
		{"ASSESSMENTS", "assessment_count assessment_value latency", "assessment_name assessment_value span_name", "assessment.name = 'rating'|assessment.type = 'feedback'|assessment.type = 'x'"},
		{"NONSENSE", "trace_count", "trace_name", "trace.status = 'OK'"},
	} {
		head := func(metric, kinds string) string {
			return fmt.Sprintf(`"view_type":%q,"metric_name":%q,"aggregations":[%s]`, v.view, metric, kinds)
		}
		const count, average = `{"aggregation_type":"COUNT"}`, `{"aggregation_type":"AVG"}`
		const each = average + `,{"aggregation_type":"MIN"},{"aggregation_type":"MAX"},{"aggregation_type":"PERCENTILE","percentile_value":0},` +
			`{"aggregation_type":"PERCENTILE","percentile_value":37.5},{"aggregation_type":"PERCENTILE","percentile_value":95},{"aggregation_type":"PERCENTILE","percentile_value":100}`
		metrics := strings.Fields(v.metrics)
		for _, m := range metrics {
			ask(head(m, count))
			ask(head(m, each))
			ask(head(m, `{"aggregation_type":"SUM"}`))
		}
		for _, m := range metrics[:min(3, len(metrics))] {
			kinds := each
			if strings.HasSuffix(m, "_count") {
				kinds = count
			}
			for _, d := range strings.Fields(v.dimensions) {
				ask(head(m, kinds) + `,"dimensions":["` + d + `"]`)
			}
			for _, f := range strings.Split(v.filters, "|") {
				ask(head(m, kinds) + `,"filters":["` + f + `"]`)
			}
			ask(head(m, kinds) + window)
			ask(head(m, kinds) + window + `,"time_interval_seconds":2`)
			ask(head(m, kinds) + window + `,"time_interval_seconds":2,"dimensions":["` + strings.Fields(v.dimensions)[0] + `"]`)
			ask(head(m, kinds) + `,"time_interval_seconds":2`)
			ask(head(m, kinds) + window + `,"time_interval_seconds":0`)
			ask(head(m, kinds) + `,"max_results":1,"dimensions":["` + strings.Fields(v.dimensions)[0] + `"]`)
		}
		ask(head(metrics[0], ""))
		ask(head(metrics[0], `{"aggregation_type":"MEDIAN"}`))
		ask(head(metrics[min(2, len(metrics)-1)], `{"aggregation_type":"PERCENTILE"}`))
		ask(head(metrics[min(2, len(metrics)-1)], `{"aggregation_type":"PERCENTILE","percentile_value":101}`))
	}
	sp.ask(http.MethodPost, "/api/3.0/mlflow/traces/metrics", `{"view_type":"TRACES","metric_name":"trace_count","aggregations":[{"aggregation_type":"COUNT"}]}`)
	sp.ask(http.MethodPost, "/api/3.0/mlflow/traces/metrics", `{"experiment_ids":["999999999"],"view_type":"TRACES","metric_name":"trace_count","aggregations":[{"aggregation_type":"COUNT"}]}`)
}

func (sp *speaker) assessments() {
	const path = "/api/3.0/mlflow/traces/$trace4/assessments"
	create := func(fields string) (id string) {
		sp.t.Helper()
		answer, _ := sp.ask(http.MethodPost, path, `{"assessment":{"trace_id":"$trace4",`+fields+`}}`).(map[string]any)
		made, _ := answer["assessment"].(map[string]any)
		id, _ = made["assessment_id"].(string)
		return id
	}
	const human = `"source":{"source_type":"HUMAN","source_id":"me"}`
	for _, value := range []string{`true`, `0`, `-1.5`, `1e300`, `12345678901234567890`, `"ü\n"`, `""`, `[1,"a",null]`, `{"a":{"b":[]}}`, `null`} {
		create(`"assessment_name":"v",` + human + `,"feedback":{"value":` + value + `}`)
		create(`"assessment_name":"v",` + human + `,"expectation":{"value":` + value + `}`)
		quoted, err := json.Marshal(value)
		if err != nil {
			sp.t.Fatal(err)
		}
		create(`"assessment_name":"v",` + human + `,"expectation":{"serialized_value":{"serialization_format":"JSON_FORMAT","value":` + string(quoted) + `}}`)
	}
	sp.name("$mine", "a-"+sp.said("$prefix"))
	kept := create(`"assessment_name":"kept",` + human + `,"feedback":{"value":"first"},"rationale":"because","metadata":{"a":"A","b":"B"},"span_id":"0123456789abcdef"`)
	over := create(`"assessment_name":"kept",` + human + `,"feedback":{"value":"second"},"overrides":"` + kept + `"`)
	sp.notes[len(sp.notes)-1].request = "override the one that is kept"
	for _, fields := range []string{
		human + `,"feedback":{"value":1}`, `"assessment_name":"",` + human + `,"feedback":{"value":1}`, `"assessment_name":"x","feedback":{"value":1}`, `"assessment_name":"x",` + human,
		`"assessment_name":"x",` + human + `,"feedback":{"value":1},"expectation":{"value":2}`, `"assessment_name":"x","source":{"source_type":"ROBOT","source_id":"r"},"feedback":{"value":1}`,
		`"assessment_name":"x","source":{"source_type":"human"},"feedback":{"value":1}`, `"assessment_name":"x",` + human + `,"feedback":{}`, `"assessment_name":"x",` + human + `,"expectation":{}`,
		`"assessment_name":"x",` + human + `,"feedback":{"error":{"error_code":"E","error_message":"m","stack_trace":"s"}}`, `"assessment_name":"x",` + human + `,"feedback":{"value":1},"overrides":"a-missing"`,
		`"assessment_name":"x",` + human + `,"feedback":{"value":1},"valid":false`, `"assessment_name":"x",` + human + `,"issue":{"issue_name":"slow"}`,
		`"assessment_name":"x",` + human + `,"feedback":{"value":1},"trace_id":"tr-other"`, `"assessment_id":"$mine","assessment_name":"x",` + human + `,"feedback":{"value":1}`, `"assessment_name":5,` + human + `,"feedback":{"value":1}`,
		`"assessment_name":"x",` + human + `,"expectation":{"serialized_value":{"serialization_format":"XML","value":"<a/>"}}`, `"assessment_name":"x",` + human + `,"expectation":{"serialized_value":{"serialization_format":"JSON_FORMAT","value":"{"}}`,
		`"assessment_name":"x",` + human + `,"feedback":{"value":1},"create_time":"yesterday"`, // ours refuses it, so that what MLflow makes of it must be the last
	} {
		create(fields)
	}
	sp.ask(http.MethodPost, path, `{}`)
	sp.ask(http.MethodPost, path, `{"assessment":`)
	sp.ask(http.MethodPost, "/api/3.0/mlflow/traces/tr-missing/assessments", `{"assessment":{"trace_id":"tr-missing","assessment_name":"x",`+human+`,"feedback":{"value":1}}}`)
	sp.name("$kept", kept)
	sp.name("$over", over)
	for _, change := range []string{
		`"feedback":{"value":"third"}},"update_mask":"feedback"`, `"rationale":"changed"},"update_mask":"rationale"`, `"metadata":{"b":"C","c":"D"}},"update_mask":"metadata"`, `"assessment_name":"renamed"},"update_mask":"assessmentName"`,
		`"assessment_name":"again","rationale":"both"},"update_mask":"assessmentName,rationale"`, `"expectation":{"value":"x"}},"update_mask":"expectation"`, `"feedback":{"value":"not said"}}`, `"source":{"source_type":"CODE"}},"update_mask":"source"`,
		`"feedback":{"value":1}},"update_mask":"nonsense"`, `"feedback":{"error":{"error_code":"E"}}},"update_mask":"feedback"`,
	} {
		sp.ask(http.MethodPatch, path+"/$kept", `{"assessment":{"assessment_id":"$kept","trace_id":"$trace4",`+change+`}`)
		sp.ask(http.MethodGet, path+"/$kept", "")
	}
	sp.ask(http.MethodPatch, path+"/a-missing", `{"assessment":{"assessment_id":"a-missing","trace_id":"$trace4","rationale":"x"},"update_mask":"rationale"}`)
	sp.ask(http.MethodGet, path+"/$over", "")
	sp.ask(http.MethodPatch, path+"/$over", `{"assessment":{"assessment_id":"$over","trace_id":"$trace4","rationale":""},"update_mask":"rationale"}`)
	sp.ask(http.MethodGet, path+"/a-missing", "")
	sp.ask(http.MethodGet, "/api/3.0/mlflow/traces/tr-missing/assessments/$over", "")
	for range 2 {
		sp.ask(http.MethodDelete, path+"/$over", "")
		sp.ask(http.MethodGet, path+"/$over", "")
		sp.ask(http.MethodGet, path+"/$kept", "")
	}
}

// exports asks what is no good export of spans, beside one that is.
func (sp *speaker) exports() {
	gz := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, sp.said(s)) // a buffer takes everything
		_ = w.Close()
		return b.String()
	}
	const span = `{"traceId":"$prefix0123456789abcdef","spanId":"0123456789abcdef","name":"n","startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000001000000000"%s}`
	with := func(more string) string {
		return `{"resourceSpans":[{"scopeSpans":[{"spans":[` + fmt.Sprintf(span, more) + `]}]}]}`
	}
	good := with("")
	for _, e := range []struct{ body, kind, encoding string }{
		{good, "application/json", ""}, {good, "application/json; charset=utf-8", ""}, {gz(good), "application/json", "gzip"}, {gz(good), "application/json", "GZIP"}, {gz(good)[:40], "application/json", "gzip"}, {good, "application/json", "gzip"},
		{good, "application/json", "br"}, {good, "application/json", "identity"}, {good, "text/plain", ""}, {good, "application/xml", ""}, {good, "APPLICATION/JSON", ""}, {good, "application/x-protobuf", ""}, {"\xff\xff\xff", "application/x-protobuf", ""}, {"", "application/x-protobuf", ""},
		{"\x0a\x00", "application/x-protobuf", ""}, {"\x0a\x7f", "application/x-protobuf", ""}, {"", "application/json", ""}, {"{}", "application/json", ""}, {"[]", "application/json", ""}, {"null", "application/json", ""}, {`{"resourceSpans":[]}`, "application/json", ""},
		{`{"resourceSpans":[{}]}`, "application/json", ""}, {`{"resourceSpans":{}}`, "application/json", ""}, {`{"resourceSpans":[null]}`, "application/json", ""}, {good[:len(good)-1], "application/json", ""}, {good + "x", "application/json", ""},
		{with(`,"unknown":[{"a":1}]`), "application/json", ""}, {with(`,"name":7`), "application/json", ""}, {with(`,"kind":2`), "application/json", ""}, {with(`,"status":{"code":"STATUS_CODE_ERROR"}`), "application/json", ""}, {with(`,"status":{"code":"BAD"}`), "application/json", ""},
		{with(`,"attributes":[{"key":"k","value":{"stringValue":7}}]`), "application/json", ""}, {with(`,"attributes":[{"key":"k","value":{"intValue":"7"}},{"key":"d","value":{"doubleValue":"NaN"}}]`), "application/json", ""}, {with(`,"attributes":[{"key":"k","value":{"intValue":"x"}}]`), "application/json", ""},
		{with(`,"attributes":[{"key":"k","value":{"boolValue":"true"}}]`), "application/json", ""}, {with(`,"attributes":[null]`), "application/json", ""}, {with(`,"attributes":{}`), "application/json", ""}, {with(`,"parentSpanId":"xyz"`), "application/json", ""}, {with(`,"parentSpanId":"0123"`), "application/json", ""}, {with(`,"parentSpanId":""`), "application/json", ""},
		{with(`,"events":[{"name":"e","timeUnixNano":1.7e18}],"links":null`), "application/json", ""},
		{`{"resource_spans":[{"scope_spans":[{"spans":[` + fmt.Sprintf(span, "") + `]}]}]}`, "application/json", ""},
	} {
		sp.ask(http.MethodPost, "/v1/traces", e.body, "Content-Type", e.kind, "Content-Encoding", e.encoding, "X-Mlflow-Experiment-Id", "$experiment")
	}
	for i, kind := range []string{`QUOTED`, `\"QUOTED\"`, `\"\"`} {
		sp.ask(http.MethodPost, "/v1/traces", strings.Replace(with(`,"attributes":[{"key":"mlflow.spanType","value":{"stringValue":"`+kind+`"}}]`), "0123456789abcdef", fmt.Sprintf("%016x", i+200), 1), "X-Mlflow-Experiment-Id", "$experiment")
		sp.name(fmt.Sprint("$quoted", i), "tr-"+sp.said("$prefix")+fmt.Sprintf("%016x", i+200))
	}
	for _, f := range []string{`span.type = 'QUOTED'`, `span.type = '"QUOTED"'`, `span.type LIKE '%QUOTED%'`} {
		sp.found(map[string]any{"filter": f})
	}
	for i, id := range []string{"", "999999999", "abc", "-1", "01"} {
		sp.ask(http.MethodPost, "/v1/traces", strings.Replace(good, "0123456789abcdef", fmt.Sprintf("%016x", i+100), 1), "X-Mlflow-Experiment-Id", id)
	}
}
