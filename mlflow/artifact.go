package mlflow

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Databricks keeps the spans of a trace as one file, traces.json, beside it: the
// workspace signs an address in its cloud's storage, and the client reads or writes
// there. What is here follows the requests that MLflow's Python client 3.17.2 makes
// (testdata); it was never tried with a workspace.

// SpansAreArtifacts reports whether the server keeps all spans of a trace as one
// file, which UploadSpans writes, instead of taking them by ExportSpans.
func (c *Client) SpansAreArtifacts() bool { return c.databricks }

// UploadSpans writes the file of a trace's spans, which replaces the one that is
// there. The trace must exist. spans is the JSON of MLflow's traces.json:
// {"spans":[…]}. What the storage refuses is ErrInternal, and may be tried again:
// an address is good for a while only.
func (c *Client) UploadSpans(ctx context.Context, traceID string, spans []byte) error {
	s, err := c.signed(ctx, traceID, "upload")
	if err != nil {
		return err
	}
	for _, r := range s.upload(spans) {
		if _, err := c.store(ctx, r); err != nil {
			return fmt.Errorf("mlflow: upload the spans of %s: %w", traceID, err)
		}
	}
	return nil
}

// downloadSpans reads the file of a trace's spans; nil when there is none.
func (c *Client) downloadSpans(ctx context.Context, traceID string) ([]*Span, error) {
	s, err := c.signed(ctx, traceID, "download")
	if err != nil {
		return nil, err
	}
	raw, err := c.store(ctx, storageRequest{method: http.MethodGet, url: s.uri, header: s.headers(anyHeader)})
	if e, ok := errors.AsType[*APIError](err); ok && e.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	if err == nil {
		var spans []*Span
		if spans, err = parseArtifact(raw); err == nil {
			return spans, nil
		}
	}
	return nil, fmt.Errorf("mlflow: download the spans of %s: %w", traceID, err)
}

// signedAddress is a place in the cloud's storage, and how to speak to it
// (ArtifactCredentialInfo of databricks_artifacts.proto).
type signedAddress struct {
	kind   string
	uri    *url.URL
	header []wireHeader
}

type wireHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// The kinds of addresses that want more than one plain PUT.
const (
	azureBlob     = "AZURE_SAS_URI"
	azureDataLake = "AZURE_ADLS_GEN2_SAS_URI"
)

func (c *Client) signed(ctx context.Context, traceID, direction string) (*signedAddress, error) {
	if r, err := c.route(traceID, ""); err != nil {
		return nil, err
	} else if r.unity {
		return nil, fmt.Errorf("mlflow: the spans of %s, which is in Unity Catalog: %w", traceID, ErrUnsupported)
	}
	var out struct {
		Info struct {
			Type    string       `json:"type"`
			URI     string       `json:"signed_uri"`
			Headers []wireHeader `json:"headers"`
		} `json:"credential_info"`
	}
	rq := call{method: http.MethodGet, path: "/api/2.0/mlflow/traces/" + url.PathEscape(traceID) + "/credentials-for-data-" + direction}
	if err := c.do(ctx, rq, &out); err != nil {
		return nil, err
	}
	uri, err := url.Parse(out.Info.URI)
	if err != nil || uri.Host == "" || uri.Scheme != "https" && !strings.HasPrefix(c.base, uri.Scheme+"://") {
		return nil, emptyAnswer(rq.op()) // the address is a secret: it is not repeated
	}
	return &signedAddress{kind: out.Info.Type, uri: uri, header: out.Info.Headers}, nil
}

// storageRequest is one request to the cloud's storage, without our credentials.
type storageRequest struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
}

// upload returns the requests that write body, in order.
func (s *signedAddress) upload(body []byte) []storageRequest {
	switch s.kind {
	case azureBlob: // Put Block, Put Block List
		var random [16]byte
		_, _ = rand.Read(random[:]) // never fails since Go 1.24
		block := base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(random[:])))
		header := s.headers(isBlockHeader)
		header.Set("X-Ms-Blob-Type", "BlockBlob")
		list := `<?xml version="1.0" encoding="utf-8"?>` + "\n<BlockList>\n<Uncommitted>" + block + "</Uncommitted>\n</BlockList>"
		return []storageRequest{
			{http.MethodPut, s.with("comp", "block", "blockid", block), header, body},
			{http.MethodPut, s.with("comp", "blocklist"), s.headers(anyHeader), []byte(list)},
		}
	case azureDataLake: // Path Create, Path Update
		header := s.headers(isDataLakeHeader)
		return []storageRequest{
			{http.MethodPut, s.with("resource", "file"), header, nil},
			{http.MethodPatch, s.with("action", "append", "position", "0", "flush", "true"), header, body},
		}
	}
	return []storageRequest{{http.MethodPut, s.uri, s.headers(anyHeader), body}} // AWS, Google
}

// with returns the address with parameters after its own, whose signature covers
// them as they are.
func (s *signedAddress) with(pairs ...string) *url.URL {
	u := *s.uri
	for i := 0; i < len(pairs); i += 2 {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1])
	}
	return &u
}

func (s *signedAddress) headers(takes func(name string) bool) http.Header {
	h := http.Header{}
	for _, kv := range s.header {
		if takes(strings.ToLower(kv.Name)) {
			h.Set(kv.Name, kv.Value)
		}
	}
	return h
}

func anyHeader(string) bool { return true }

// isBlockHeader: what Azure's Put Block takes of the headers of a blob.
func isBlockHeader(name string) bool {
	return strings.HasPrefix(name, "x-ms-encryption-") || slices.Contains([]string{"x-ms-date", "x-ms-version", "x-ms-lease-id", "x-ms-client-request-id"}, name)
}

// isDataLakeHeader: Azure's Data Lake has no encryption scopes.
func isDataLakeHeader(name string) bool { return name != "x-ms-encryption-scope" }

// store makes a request to the cloud's storage. No error of it repeats the address,
// which is a credential, or what the storage says, which may repeat it.
func (c *Client) store(ctx context.Context, r storageRequest) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("the signed address cannot be used: %w", ErrUnsupported)
	}
	req.Header = r.header
	op := r.method + " " + r.url.Host
	resp, err := c.storage.Do(req)
	if err != nil {
		return nil, &transportError{op: op, err: withoutURL(err)}
	}
	defer drain(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := &APIError{Op: op, StatusCode: resp.StatusCode, Message: "the storage refused", kind: ErrInternal}
		if kindOfStatus(resp.StatusCode) == ErrUnavailable {
			e.kind = ErrUnavailable
		}
		return nil, e
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxResponse+1))
	if err != nil {
		return nil, &transportError{op: op, err: withoutURL(err)}
	}
	if int64(len(body)) > c.maxResponse {
		return nil, fmt.Errorf("larger than %d bytes: %w", c.maxResponse, ErrUnsupported)
	}
	return body, nil
}

// artifactSpan is a span of traces.json: ids in base64, each attribute a JSON text.
type artifactSpan struct {
	ID         string            `json:"span_id"`
	ParentID   string            `json:"parent_span_id"`
	Name       string            `json:"name"`
	Start      wireInt64         `json:"start_time_unix_nano"`
	End        wireInt64         `json:"end_time_unix_nano"`
	Attributes map[string]string `json:"attributes"`
	Events     []struct {
		Name       string         `json:"name"`
		Time       wireInt64      `json:"time_unix_nano"`
		Attributes map[string]any `json:"attributes"`
	} `json:"events"`
	Links []struct { // with MLflow's ids (mlflow/entities/link.py)
		TraceID    string         `json:"trace_id"`
		SpanID     string         `json:"span_id"`
		Attributes map[string]any `json:"attributes"`
	} `json:"links"`
	Status struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
}

func parseArtifact(raw []byte) ([]*Span, error) {
	var file struct {
		Spans []artifactSpan `json:"spans"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("not the expected JSON: %w: %w", err, ErrUnsupported)
	}
	spans := make([]*Span, 0, len(file.Spans))
	for i := range file.Spans {
		s, err := file.Spans[i].span()
		if err != nil {
			return nil, fmt.Errorf("span %d: %w: %w", i, err, ErrUnsupported) // MLflow 2 had other names
		}
		spans = append(spans, s)
	}
	slices.SortStableFunc(spans, func(a, b *Span) int {
		return cmp.Or(cmp.Compare(min(len(a.ParentID), 1), min(len(b.ParentID), 1)), a.Start.Compare(b.Start))
	})
	return spans, nil
}

func (a *artifactSpan) span() (*Span, error) {
	w := wireSpan{ID: a.ID, ParentID: a.ParentID, Name: a.Name, Start: a.Start, End: a.End, Status: a.Status}
	s, err := w.span()
	if err != nil {
		return nil, err
	}
	for key, text := range a.Attributes {
		s.Attributes[key] = decodeAttribute(text)
	}
	for _, e := range a.Events {
		wholeNumbers(e.Attributes)
		s.Events = append(s.Events, SpanEvent{Name: e.Name, Time: nanoTime(e.Time), Attributes: e.Attributes})
	}
	for _, l := range a.Links {
		wholeNumbers(l.Attributes)
		s.Links = append(s.Links, SpanLink{TraceID: l.TraceID, SpanID: l.SpanID, Attributes: l.Attributes})
	}
	return s, nil
}

// decodeAttribute reads a JSON text with its whole numbers whole; what is none is
// text.
func decodeAttribute(text string) any {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return text
	}
	return wholeNumbers(v)
}

func wholeNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // a number beyond float64 becomes infinite
		return f
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = wholeNumbers(v[k])
		}
	}
	return v
}
