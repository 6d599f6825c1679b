package mlflowapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi/otlp"
)

const experimentHeader = "X-Mlflow-Experiment-Id"

// Unpacked and decoded spans take many times their bytes, though no more than
// otlp.MaxMessages allows, so large exports take turns at it: together they cannot
// make much memory of little traffic. What waits holds the bytes that it has sent.
const (
	largeExport     = 1 << 20 // bytes unpacked; a batch of 100 spans has a tenth of it
	largeMessages   = 20_000  // of any kind; a batch of 100 spans has a tenth of them too
	maxLargeExports = 2
)

// turn is that of one export. It is none until it is taken.
type turn struct {
	slots chan struct{}
	taken bool
}

func (t *turn) take(ctx context.Context) error {
	if t.taken {
		return nil
	}
	select {
	case t.slots <- struct{}{}:
		t.taken = true
		return nil
	case <-ctx.Done():
		return errs.New(errs.Unavailable, "The request was given up while it waited for other exports.")
	}
}

func (t *turn) end() {
	if t.taken {
		<-t.slots
	}
}

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
	kind, err := exportKind(req)
	if err != nil {
		detail(w, http.StatusBadRequest, err.Error())
		return
	}
	turn := turn{slots: a.large}
	defer turn.end()
	body, err := a.readExport(w, req, &turn)
	if err != nil {
		refuse(w, err)
		return
	}
	export, err := readSpans(kind, body)
	if err != nil {
		detail(w, http.StatusBadRequest, err.Error())
		return
	}
	if export.Messages > largeMessages {
		if err := turn.take(req.Context()); err != nil {
			refuse(w, err)
			return
		}
	}
	batch, err := export.Decode()
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

func refuse(w http.ResponseWriter, err error) {
	status, _ := mlflowError(err)
	detail(w, status, errs.As(err).Public)
}

const (
	kindProto = "application/x-protobuf"
	kindJSON  = "application/json"
)

func exportKind(req *http.Request) (string, error) {
	header := req.Header.Get("Content-Type")
	kind, _, _ := strings.Cut(header, ";")
	kind = strings.TrimSpace(kind)
	if kind != kindProto && kind != kindJSON {
		//lint:ignore ST1005 MLflow's words, shown to the caller
		return "", fmt.Errorf("Invalid Content-Type: %s. Expected: application/x-protobuf or application/json", header)
	}
	return kind, nil
}

// readExport returns the bytes of an export, unpacked, for which a large one has
// taken its turn.
func (a *api) readExport(w http.ResponseWriter, req *http.Request, turn *turn) ([]byte, error) {
	body, err := readAll(http.MaxBytesReader(w, req.Body, a.maxSpanBody))
	if err != nil {
		return nil, err
	}
	encoding := strings.ToLower(req.Header.Get("Content-Encoding"))
	var packed io.Reader
	if encoding != "" {
		if packed, err = unpacker(body, encoding); err != nil {
			return nil, err
		}
		body, err = unpack(nil, packed, encoding, min(largeExport, a.maxSpanBody+1))
	}
	if err != nil || len(body) < largeExport {
		return body, a.checkSize(body, err)
	}
	if err := turn.take(req.Context()); err != nil {
		return nil, err
	}
	if encoding != "" {
		body, err = unpack(body, packed, encoding, a.maxSpanBody+1)
	}
	return body, a.checkSize(body, err)
}

func (a *api) checkSize(body []byte, err error) error {
	if err == nil && int64(len(body)) > a.maxSpanBody {
		return errs.New(errs.TooLarge, "The request body is larger than %d bytes when decompressed.", a.maxSpanBody)
	}
	return err
}

func readSpans(kind string, body []byte) (otlp.Request, error) {
	if kind == kindJSON {
		return otlp.ReadJSON(body)
	}
	return otlp.ReadProto(body)
}

// unpacker returns a reader of what body holds.
func unpacker(body []byte, encoding string) (io.Reader, error) {
	switch encoding {
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "Failed to decompress gzip payload")
		}
		return r, nil
	case "deflate":
		// Either zlib's format, as the RFC has it, or bare, as some clients do.
		if r, err := zlib.NewReader(bytes.NewReader(body)); err == nil {
			return r, nil
		}
		return flate.NewReader(bytes.NewReader(body)), nil
	}
	return nil, errs.New(errs.Invalid, "Unsupported Content-Encoding: %s", encoding)
}

// unpack appends what r has, until there are limit bytes.
func unpack(body []byte, r io.Reader, encoding string, limit int64) ([]byte, error) {
	buf := bytes.NewBuffer(body)
	if _, err := buf.ReadFrom(io.LimitReader(r, limit-int64(len(body)))); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "Failed to decompress %s payload", encoding)
	}
	return buf.Bytes(), nil
}

// exportAnswer is an ExportTraceServiceResponse: empty, or with a
// partial_success {rejected_spans, error_message}.
func exportAnswer(rejected int) []byte {
	if rejected == 0 {
		return nil
	}
	const words = "spans whose ids are missing or malformed were left out"
	inner := binary.AppendUvarint([]byte{0x08}, uint64(rejected))
	inner = append(binary.AppendUvarint(append(inner, 0x12), uint64(len(words))), words...)
	return append(binary.AppendUvarint([]byte{0x0a}, uint64(len(inner))), inner...)
}
