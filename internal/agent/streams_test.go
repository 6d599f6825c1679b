package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
)

var update = flag.Bool("update", false, "rewrite testdata/streams/*.want")

// recording is one recorded answer of a real server: NAME.headers, and NAME.sse
// or NAME.json. NAME.want states what a browser is given for it.
type recording struct {
	name   string
	header http.Header
	status int
	body   []byte
}

func recordings(t *testing.T) []recording {
	t.Helper()
	heads, err := filepath.Glob("testdata/streams/*.headers")
	if err != nil || len(heads) < 30 {
		t.Fatalf("recordings: %d found, %v", len(heads), err)
	}
	var all []recording
	for _, head := range heads {
		base := strings.TrimSuffix(head, ".headers")
		body, err := os.ReadFile(base + ".sse")
		if errors.Is(err, os.ErrNotExist) {
			body, err = os.ReadFile(base + ".json")
		}
		if err != nil {
			t.Fatal(err)
		}
		rec := recording{name: filepath.Base(base), body: body}
		rec.status, rec.header = parseHead(t, head)
		all = append(all, rec)
	}
	return all
}

// parseHead reads a recorded status line and header.
func parseHead(t *testing.T, path string) (int, http.Header) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var status int
	h := http.Header{}
	for i, line := range strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		if i == 0 {
			if _, err := fmt.Sscanf(line, "HTTP/1.1 %d", &status); err != nil {
				t.Fatalf("%s: %q: %v", path, line, err)
			}
			continue
		}
		if k, v, ok := strings.Cut(line, ": "); ok {
			h.Add(k, v)
		}
	}
	return status, h
}

// replay is an http.RoundTripper that answers with a recording whose body comes
// in the pieces that src makes of it.
type replay struct {
	rec recording
	src func([]byte) io.Reader
}

func (r replay) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: r.rec.status, Header: r.rec.header, Request: req,
		Body: io.NopCloser(r.src(slices.Clone(r.rec.body))),
	}, nil
}

// client returns the client for a recording, by its name.
func client(t *testing.T, rec recording, src func([]byte) io.Reader) agent.Client {
	t.Helper()
	cfg := agent.Config{URL: "http://agent.example/invocations"}
	hc := &http.Client{Transport: replay{rec, src}}
	return agenttest.Client(t, agenttest.ProtocolOf(rec.name), cfg, hc)
}

// observed is everything a caller sees of one answer.
type observed struct {
	Events []string // data, as given
	Types  []string
	Trace  string
	Drops  int
	End    string // "EOF", or the code and sentence of the error
}

func observe(c agent.Client) observed {
	var o observed
	s, err := c.Open(context.Background(), question("req-0123456789abcdef", "hello"))
	if err != nil {
		o.End = describe(err)
		return o
	}
	defer func() { _ = s.Close() }()
	for {
		ev, err := s.Next()
		if err != nil {
			o.Trace, o.Drops, o.End = s.TraceID(), s.Dropped(), describe(err)
			return o
		}
		o.Events = append(o.Events, string(ev.Data))
		o.Types = append(o.Types, ev.Type)
	}
}

func describe(err error) string {
	if err == io.EOF {
		return "EOF"
	}
	var e *agent.Error
	if !errors.As(err, &e) {
		return "not an *agent.Error: " + err.Error()
	}
	return fmt.Sprintf("%s (HTTP %d, %q): %s", e.Code, e.Status, e.UpstreamCode, e.Message)
}

func question(id, text string) *agent.Request {
	content, _ := json.Marshal(text)
	return &agent.Request{ClientRequestID: id, Messages: []agent.Message{{Role: "user", Content: content}}}
}

// String is the form of the .want files.
func (o observed) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "trace: %s\ndropped: %d\nend: %s\n", o.Trace, o.Drops, o.End)
	for i, ev := range o.Events {
		if len(ev) > 4000 {
			ev = fmt.Sprintf("%d bytes, SHA-256 %x", len(ev), sha256.Sum256([]byte(ev)))
		}
		fmt.Fprintf(&b, "%s\n\t%s\n", o.Types[i], ev)
	}
	return b.String()
}

// Every recording gives what its .want file says. Pieces do not matter: whole,
// byte by byte and cut in two at each byte, the result is the same.
func TestRecordings(t *testing.T) {
	for _, rec := range recordings(t) {
		t.Run(rec.name, func(t *testing.T) {
			t.Parallel()
			got := observe(client(t, rec, func(b []byte) io.Reader { return bytes.NewReader(b) }))
			golden(t, filepath.Join("testdata/streams", rec.name+".want"), got.String())
			bytewise := observe(client(t, rec, func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) }))
			if d := cmp.Diff(got, bytewise); d != "" {
				t.Errorf("byte by byte (-whole +bytewise):\n%s", d)
			}
			for _, at := range splits(rec.body) {
				cut := observe(client(t, rec, func(b []byte) io.Reader {
					return io.MultiReader(bytes.NewReader(b[:at]), bytes.NewReader(b[at:]))
				}))
				if !reflect.DeepEqual(got, cut) { // cmp is too slow for thousands
					t.Fatalf("split at %d (-whole +split):\n%s", at, cmp.Diff(got, cut))
				}
			}
		})
	}
}

// splits returns where a body is cut in two: everywhere, except that inside a
// very long one only line ends and every 1009th byte are tried.
func splits(body []byte) []int {
	var at []int
	for i := range body {
		near := bytes.IndexByte(body[max(0, i-3):min(len(body), i+3)], '\n') >= 0
		if len(body) < 8<<10 || near || i%1009 == 0 {
			at = append(at, i)
		}
	}
	return at
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -run TestRecordings -update writes it; read what it wrote)", err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// What is already in the Responses vocabulary keeps its bytes.
func TestRecordingsOfResponsesKeepTheirBytes(t *testing.T) {
	for _, rec := range recordings(t) {
		if !strings.HasPrefix(rec.header.Get("Content-Type"), "text/event-stream") || strings.Contains(rec.name, "chatagent") || strings.Contains(rec.name, "completions") {
			continue
		}
		var want []string
		for line := range strings.SplitSeq(string(rec.body), "\n") {
			data, ok := strings.CutPrefix(line, "data: ")
			if ok && data != "[DONE]" && !strings.HasPrefix(data, `{"trace_id"`) && !strings.Contains(data, `"error"`) {
				want = append(want, data)
			}
		}
		got := observe(client(t, rec, func(b []byte) io.Reader { return bytes.NewReader(b) }))
		if d := cmp.Diff(want, got.Events); d != "" {
			t.Errorf("%s (-sent +given):\n%s", rec.name, d)
		}
	}
}

// A stream that is cut anywhere never looks finished, and what was given until
// then is the beginning of the whole.
func TestRecordingsCutAnywhereAreTruncated(t *testing.T) {
	for _, rec := range recordings(t) {
		if !strings.HasPrefix(rec.header.Get("Content-Type"), "text/event-stream") || len(rec.body) > 8<<10 {
			continue
		}
		t.Run(rec.name, func(t *testing.T) {
			t.Parallel()
			whole := observe(client(t, rec, func(b []byte) io.Reader { return bytes.NewReader(b) }))
			if whole.End != "EOF" {
				return // it failed, wherever it is cut
			}
			done := bytes.LastIndex(rec.body, []byte("data: [DONE]"))
			ended := done // chat protocols announce their end earlier, too
			if at := bytes.Index(rec.body, []byte(`"finish_reason": "stop"`)); at >= 0 {
				ended = at
			}
			for at := range ended {
				got := observe(client(t, rec, func(b []byte) io.Reader { return bytes.NewReader(b[:at]) }))
				if !strings.HasPrefix(got.End, agent.CodeTruncated) {
					t.Fatalf("cut at %d of %d it ends with %s", at, len(rec.body), got.End)
				}
				if len(got.Events) > len(whole.Events) || !slices.Equal(got.Events, whole.Events[:len(got.Events)]) {
					t.Fatalf("cut at %d it gives other events", at)
				}
			}
		})
	}
}
