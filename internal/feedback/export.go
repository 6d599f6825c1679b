package feedback

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// The formats of an export.
const (
	CSV       = "csv"   // with a header line; text that a spreadsheet would run is quoted, see inert
	JSONLines = "jsonl" // one object a line, everything as it was given
)

// exportPage is how many rows an export holds in memory.
const exportPage = 500

// Export writes all feedback that q asks for to w, newest first, whatever its
// limit and cursor. It reads page by page: what is given or withdrawn while it
// runs may be in it or not, what was there before is in it once. Nothing is
// written before the first page is read. A failure after that leaves w with a
// part, which the caller must not present as the whole.
func (s *Store) Export(ctx context.Context, w io.Writer, format string, q Query) error {
	var out interface {
		row(exported) error
		flush() error
	}
	switch format {
	case CSV:
		out = &csvRows{w: csv.NewWriter(w)}
	case JSONLines:
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		out = &jsonRows{enc}
	default:
		return errs.New(errs.Unprocessable, "The format is %s or %s, not %q.", CSV, JSONLines, clip(format))
	}
	q.Limit, q.Cursor = exportPage, ""
	for more := true; more; more = q.Cursor != "" {
		page, next, err := s.List(ctx, q)
		if err != nil {
			return err
		}
		for _, f := range page {
			if err := out.row(export(f)); err != nil {
				return fmt.Errorf("write an export: %w", err)
			}
		}
		if err := out.flush(); err != nil {
			return fmt.Errorf("write an export: %w", err)
		}
		q.Cursor = next
	}
	return nil
}

// exported is a line of JSON; its names are the columns of CSV too.
type exported struct {
	ID              string            `json:"id"`
	ClientRequestID string            `json:"client_request_id"`
	ConversationID  string            `json:"conversation_id"`
	Target          string            `json:"target"`
	AgentID         string            `json:"agent_id"`
	AgentVersion    string            `json:"agent_version"`
	Kind            string            `json:"kind"`
	Name            string            `json:"name"`
	Value           json.RawMessage   `json:"value"`
	Rationale       string            `json:"rationale"`
	Reasons         []string          `json:"reasons"`
	Metadata        map[string]string `json:"metadata"`
	Actor           string            `json:"actor"`
	SourceID        string            `json:"source_id"`
	Version         int64             `json:"version"`
	Withdrawn       bool              `json:"withdrawn"`
	Delivery        string            `json:"delivery"`
	DeliveryReason  string            `json:"delivery_reason"`
	TraceID         string            `json:"trace_id"`
	AssessmentID    string            `json:"assessment_id"`
	CreatedAt       string            `json:"created_at"`
	UpdatedAt       string            `json:"updated_at"`
}

func export(f Feedback) exported {
	const layout = "2006-01-02T15:04:05.000Z"
	e := exported{
		ID: f.ID, ClientRequestID: f.Answer, ConversationID: f.ConversationID, Target: f.Target, AgentID: f.AgentID, AgentVersion: f.AgentVersion,
		Kind: f.Kind, Name: f.Name, Value: f.Value, Rationale: f.Rationale, Reasons: f.Reasons, Metadata: f.Metadata,
		Actor: f.Actor, SourceID: f.SourceID, Version: f.Version, Withdrawn: f.Withdrawn, Delivery: f.Delivery, DeliveryReason: f.DeliveryReason,
		TraceID: f.TraceID, AssessmentID: f.AssessmentID,
		CreatedAt: f.CreatedAt.UTC().Format(layout), UpdatedAt: f.UpdatedAt.UTC().Format(layout),
	}
	if e.Reasons == nil {
		e.Reasons = []string{}
	}
	if e.Metadata == nil {
		e.Metadata = map[string]string{}
	}
	return e
}

type jsonRows struct{ *json.Encoder }

func (r *jsonRows) row(e exported) error { return r.Encode(e) }
func (r *jsonRows) flush() error         { return nil }

type csvRows struct {
	w     *csv.Writer
	begun bool
}

var csvHeader = []string{ // never changed
	"id", "client_request_id", "conversation_id", "target", "agent_id", "agent_version", "kind", "name", "value", "rationale", "reasons",
	"metadata", "actor", "source_id", "version", "withdrawn", "delivery", "delivery_reason", "trace_id", "assessment_id", "created_at", "updated_at",
}

func (r *csvRows) header() error {
	if r.begun {
		return nil
	}
	r.begun = true
	return r.w.Write(csvHeader)
}

func (r *csvRows) row(e exported) error {
	if err := r.header(); err != nil {
		return err
	}
	metadata, err := json.Marshal(e.Metadata)
	if err != nil {
		return err
	}
	return r.w.Write([]string{
		inert(e.ID), inert(e.ClientRequestID), inert(e.ConversationID), inert(e.Target), inert(e.AgentID), inert(e.AgentVersion), e.Kind, inert(e.Name),
		csvValue(e.Value), inert(e.Rationale), inert(strings.Join(e.Reasons, ",")), string(metadata), inert(e.Actor), inert(e.SourceID),
		strconv.FormatInt(e.Version, 10), strconv.FormatBool(e.Withdrawn), e.Delivery, inert(e.DeliveryReason), inert(e.TraceID), inert(e.AssessmentID),
		e.CreatedAt, e.UpdatedAt,
	})
}

func (r *csvRows) flush() error {
	if err := r.header(); err != nil {
		return err
	}
	r.w.Flush()
	return r.w.Error()
}

// csvValue is a text without its JSON quotes, and anything else as JSON.
func csvValue(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && string(value) != "null" {
		return inert(text)
	}
	return string(value)
}

// formulaStarts are the characters that make a spreadsheet take a cell for a
// formula, the full-width ones included (OWASP, CSV injection).
var formulaStarts = []rune{'=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'} // never changed

// inert is people's text as a cell that no spreadsheet runs: with an apostrophe
// in front where it would.
func inert(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); slices.Contains(formulaStarts, first) {
		return "'" + s
	}
	return s
}
