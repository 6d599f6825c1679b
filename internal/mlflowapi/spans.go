package mlflowapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi/otlp"
)

const experimentHeader = "X-Mlflow-Experiment-Id"

// Decoded spans take several times their bytes, so large exports take turns:
// together they cannot exhaust the memory.
const (
	largeExport     = 1 << 20 // bytes; a batch of 100 spans has a tenth of it
	maxLargeExports = 2
)

// exportSpans is OTLP over HTTP. Success is 200 with a protobuf answer, for
// JSON too, as in MLflow. Spans that cannot be used are left out and named in
// the answer's partial_success; only when nothing is left is it an error.
func (a *api) exportSpans(w http.ResponseWriter, req *http.Request) {
	experiment := req.Header.Get(experimentHeader)
	if experiment == "" {
		detail(w, http.StatusUnprocessableEntity, []map[string]any{{
			"type": "missing", "loc": []string{"header", "x-mlflow-experiment-id"}, "msg": "Field required", "input": nil,
		}})
		return
	}
	kind, body, status, err := a.readExport(w, req)
	if err != nil {
		detail(w, status, err.Error())
		return
	}
	if len(body) > largeExport {
		select {
		case a.large <- struct{}{}:
			defer func() { <-a.large }()
		case <-req.Context().Done():
			detail(w, http.StatusServiceUnavailable, "The request was given up while it waited for other exports.")
			return
		}
	}
	batch, err := decode(kind, body)
	if err != nil {
		detail(w, http.StatusBadRequest, err.Error())
		return
	}
	if len(batch.Spans) == 0 && batch.Rejected > 0 {
		detail(w, http.StatusUnprocessableEntity, "Cannot convert OpenTelemetry span to MLflow span")
		return
	}
	if err := a.store.LogSpans(req.Context(), experiment, batch.Spans); err != nil {
		a.fail(w, req, err)
		return
	}
	a.linkRun(req, batch)
	w.Header().Set("Content-Type", kindProto)
	_, _ = w.Write(exportAnswer(batch.Rejected))
}

// linkRun makes the traces that ended findable by the run named in a header. A
// failure is logged only: the spans are stored.
func (a *api) linkRun(req *http.Request, batch otlp.Batch) {
	run := req.Header.Get("X-Mlflow-Run-Id")
	if run == "" {
		return
	}
	var ids []string
	for _, sp := range batch.Spans {
		if sp.ParentID == "" {
			ids = append(ids, sp.TraceID)
		}
	}
	for len(ids) > 0 {
		n := min(len(ids), 100)
		if err := a.store.LinkTracesToRun(req.Context(), ids[:n], run); err != nil {
			a.log.WarnContext(req.Context(), "link spans to run", "run", run, "error", err)
			return
		}
		ids = ids[n:]
	}
}

// detail answers an error in the words of the framework MLflow's OTLP route is
// written in.
func detail(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"detail": what})
}

const (
	kindProto = "application/x-protobuf"
	kindJSON  = "application/json"
)

// readExport returns the kind and the bytes of an export, decompressed, or the
// status and words to refuse it with.
func (a *api) readExport(w http.ResponseWriter, req *http.Request) (kind string, body []byte, status int, err error) {
	header := req.Header.Get("Content-Type")
	kind, _, _ = strings.Cut(header, ";")
	kind = strings.TrimSpace(kind)
	if kind != kindProto && kind != kindJSON {
		//lint:ignore ST1005 MLflow's words, shown to the caller
		return "", nil, http.StatusBadRequest, fmt.Errorf("Invalid Content-Type: %s. Expected: application/x-protobuf or application/json", header)
	}
	body, err = readAll(http.MaxBytesReader(w, req.Body, a.maxSpanBody))
	if err == nil {
		body, err = decompress(body, strings.ToLower(req.Header.Get("Content-Encoding")), a.maxSpanBody)
	}
	if err != nil {
		return "", nil, statusOf(err), errors.New(errs.As(err).Public)
	}
	return kind, body, http.StatusOK, nil
}

func decode(kind string, body []byte) (otlp.Batch, error) {
	if kind == kindJSON {
		return otlp.DecodeJSON(body)
	}
	return otlp.DecodeProto(body)
}

func statusOf(err error) int {
	if errs.Is(err, errs.TooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// decompress opens a compressed body, but not one that grows beyond limit.
func decompress(body []byte, encoding string, limit int64) ([]byte, error) {
	switch encoding {
	case "":
		return body, nil
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "Failed to decompress gzip payload")
		}
		return inflate(r, "gzip", limit)
	case "deflate":
		// Either zlib's format, as the RFC has it, or bare, as some clients do.
		if r, err := zlib.NewReader(bytes.NewReader(body)); err == nil {
			return inflate(r, "deflate", limit)
		}
		return inflate(flate.NewReader(bytes.NewReader(body)), "deflate", limit)
	}
	return nil, errs.New(errs.Invalid, "Unsupported Content-Encoding: %s", encoding)
}

func inflate(r io.Reader, name string, limit int64) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(out)) > limit {
		return nil, errs.New(errs.TooLarge, "The request body is larger than %d bytes when decompressed.", limit)
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "Failed to decompress %s payload", name)
	}
	return out, nil
}

// exportAnswer is an ExportTraceServiceResponse: empty, or with a
// partial_success {rejected_spans, error_message}.
func exportAnswer(rejected int) []byte {
	if rejected == 0 {
		return nil
	}
	const words = "spans without a trace id or span id were left out"
	inner := binary.AppendUvarint([]byte{0x08}, uint64(rejected))
	inner = append(binary.AppendUvarint(append(inner, 0x12), uint64(len(words))), words...)
	return append(binary.AppendUvarint([]byte{0x0a}, uint64(len(inner))), inner...)
}
