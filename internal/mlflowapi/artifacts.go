package mlflowapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
)

// The one artifact of a trace that is served is its file of spans, which
// clients write that do not know OTLP. It is not kept as a file: its spans are
// stored like any others, and the file is made from them.
const spansFile = "traces.json"

// traceOfArtifact takes EXPERIMENT/traces/TRACE/artifacts/traces.json apart.
func traceOfArtifact(path string) (experiment, trace string, err error) {
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[1] != "traces" || parts[3] != "artifacts" || parts[4] != spansFile {
		return "", "", errs.New(errs.NotFound, "This server keeps no artifacts but the spans of traces; there is no '%s'.", path)
	}
	return parts[0], parts[2], nil
}

func (a *api) putArtifact(w http.ResponseWriter, req *http.Request) {
	experiment, trace, err := traceOfArtifact(req.PathValue("path"))
	if err != nil {
		a.fail(w, req, err)
		return
	}
	turn := turn{slots: a.large} // the file takes turns with OTLP's exports
	defer turn.end()
	body, err := a.readExport(w, req, &turn)
	if err != nil {
		a.fail(w, req, err)
		return
	}
	if _, commas := jsonextent.Of(body); commas > largeMessages {
		if err := turn.take(req.Context()); err != nil {
			a.fail(w, req, err)
			return
		}
	}
	spans, err := spansOfFile(body, trace)
	if err == nil {
		err = a.store.LogSpans(req.Context(), experiment, spans)
	}
	if err != nil {
		a.fail(w, req, err)
		return
	}
	a.answer(w, req, empty{})
}

func (a *api) getArtifact(w http.ResponseWriter, req *http.Request) {
	_, trace, err := traceOfArtifact(req.PathValue("path"))
	if err != nil {
		a.fail(w, req, err)
		return
	}
	t, err := a.store.Trace(req.Context(), trace)
	if err == nil && len(t.Spans) == 0 {
		err = errs.New(errs.NotFound, "Trace with ID '%s' has no spans.", trace)
	}
	if err != nil {
		a.fail(w, req, err)
		return
	}
	out, err := json.Marshal(fileOf(t))
	if err != nil {
		a.fail(w, req, err)
		return
	}
	plain(w, string(out), "text/plain")
}

// getTraceArtifact is what MLflow's web pages load: the spans as they are.
func (a *api) getTraceArtifact(in *request) (any, error) {
	t, err := a.store.Trace(in.Context(), in.required("request_id"))
	return fileOf(t), err
}
