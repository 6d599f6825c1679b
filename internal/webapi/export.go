package webapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

type exportFeedbackInput struct {
	FeedbackFilter
	Format string `query:"format" enum:"csv,jsonl" default:"csv" doc:"csv: with a header line, text that a spreadsheet would run begins with an apostrophe. jsonl: one object a line, everything as it was given."`
}

// exports describes an operation that answers with a file.
func exports(op *huma.Operation) {
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "All that the filters leave, newest first. An answer that was cut short ends in the middle of a chunk.",
		Content:     map[string]*huma.MediaType{exportTypes[feedback.CSV]: text, exportTypes[feedback.JSONLines]: text},
	}}
}

var exportTypes = map[string]string{ // never changed
	feedback.CSV: "text/csv; charset=utf-8; header=present", feedback.JSONLines: "application/jsonl; charset=utf-8",
}

// exportFeedback streams: nothing of it is held but a page. What fails before the
// first byte is a problem, what fails later cuts the connection.
func (s *API) exportFeedback(ctx context.Context, in *exportFeedbackInput) (*huma.StreamResponse, error) {
	q := in.query(ctx)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		out := &export{ResponseWriter: w, format: in.Format}
		err := s.Feedback.Export(hc.Context(), out, in.Format, q)
		switch {
		case err == nil:
			out.begin() // an empty file is one too
		case !out.begun:
			httpx.Note(r.Context(), err)
			httpx.WriteProblem(w, httpx.ProblemOf(err))
		default:
			httpx.Note(r.Context(), err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// export writes the header when there is something to write.
type export struct {
	http.ResponseWriter
	format string
	begun  bool
}

func (e *export) begin() {
	if e.begun {
		return
	}
	e.begun = true
	e.Header().Set("Content-Type", exportTypes[e.format])
	e.Header().Set("Content-Disposition", `attachment; filename="feedback-`+time.Now().UTC().Format("2006-01-02")+`.`+e.format+`"`)
	e.WriteHeader(http.StatusOK)
}

// Write begins the answer and writes a part of it.
func (e *export) Write(p []byte) (int, error) {
	e.begin()
	return e.ResponseWriter.Write(p)
}
