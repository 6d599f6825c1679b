package webapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

const (
	keepAlive    = 15 * time.Second // the longest silence of a stream of ours
	writeTimeout = 30 * time.Second // the longest one event may take to be sent
)

// streams describes an operation that answers with events.
func streams(op *huma.Operation) {
	op.Responses = map[string]*huma.Response{"200": {
		Description: "Events, or with stream:false one JSON answer.",
		Headers: map[string]*huma.Param{"X-Client-Request-Id": {
			Description: "The answer's name, as in the first event.", Schema: &huma.Schema{Type: huma.TypeString}}},
		Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString, Description: "First trace.client_request_id, " +
				"then thumbprint.message, then the agent's events in the Responses vocabulary, then thumbprint.done and [DONE]. " +
				"Before thumbprint.done, the first exchange of a conversation has thumbprint.title with conversation_id and title, " +
				"and a failed answer an error with code and message."}},
			"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}},
		},
	}}
}

// sink writes a turn's events to its caller, and comments into its silence.
type sink struct {
	mu    sync.Mutex // the turn and the timer both write
	w     *sse.Writer
	timer *time.Timer
	ended bool
}

func newSink(w http.ResponseWriter) *sink {
	s := &sink{w: sse.NewWriter(w, writeTimeout)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(keepAlive, s.comment)
	return s
}

// Send takes one event, for the next Flush.
func (s *sink) Send(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Add(data)
}

// Flush sends what was taken, until the end.
func (s *sink) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.timer.Reset(keepAlive)
	return s.w.Flush()
}

// comment breaks the silence. An error shows at the next event.
func (s *sink) comment() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if s.w.Comment("keep-alive") == nil {
		s.timer.Reset(keepAlive)
	}
}

// end leaves what was taken to the response's end, which is sent with it, and
// stops the comments; when it has returned, nothing more is written.
func (s *sink) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.w.End() // nobody is left to tell
	s.ended = true
	s.timer.Stop()
}

// runStream runs the turn for as long as its caller listens.
func runStream(hc huma.Context, turn *gateway.Turn) {
	_, w := humago.Unwrap(hc)
	out := newSink(w)
	defer out.end()
	turn.Run(hc.Context(), out)
}

// discard is the sink of a turn whose answer is sent whole.
type discard struct{}

// Send drops the event.
func (discard) Send([]byte) error { return nil }

// Flush has nothing to send.
func (discard) Flush() error { return nil }

// failedAnswer is the problem of a turn that failed with nothing to show; its
// name is there all the same, so that it can be rated.
type failedAnswer struct {
	*httpx.Problem
	ClientRequestID string `json:"client_request_id"`
}

// runJSON runs the turn and answers with all of it.
func runJSON(hc huma.Context, turn *gateway.Turn) {
	a := turn.Run(hc.Context(), discard{})
	v := viewTurn(turn, a.Status)
	if a.Status == chat.Failed {
		if len(a.Items) == 0 {
			p := httpx.NewProblem(http.StatusBadGateway, a.ErrorMessage)
			p.Code = a.ErrorCode
			httpx.Note(hc.Context(), p)
			hc.SetHeader("Content-Type", p.ContentType(""))
			writeJSON(hc, p.Status, failedAnswer{p, turn.ClientRequestID})
			return
		}
		v.Error = &answerError{Code: a.ErrorCode, Message: a.ErrorMessage}
	}
	v.StoppedBy, v.OutputText, v.TraceSummary = stoppedBy(a.StoppedBy), a.Text, a.Summary
	v.Output = append(v.Output, a.Items...)
	writeJSON(hc, http.StatusOK, v)
}

func writeJSON(hc huma.Context, status int, v any) {
	_, w := humago.Unwrap(hc)
	if err := httpx.WriteJSON(w, status, v); err != nil {
		httpx.Note(hc.Context(), err)
		httpx.WriteProblem(w, httpx.ProblemOf(err))
	}
}

// relayLive sends a detached turn's events from the one after the first n,
// numbered, until it ends or its reader is gone.
func relayLive(hc huma.Context, l *gateway.Live, n int) {
	_, w := humago.Unwrap(hc)
	out := sse.NewWriter(w, writeTimeout)
	for {
		event, err := nextEvent(hc.Context(), l, n)
		switch {
		case err == nil:
			n++
			err = out.EventID(int64(n), event)
		case errors.Is(err, context.DeadlineExceeded) && hc.Context().Err() == nil:
			err = out.Comment("keep-alive")
		}
		if err != nil {
			return // the end, or nobody listens
		}
	}
}

func nextEvent(ctx context.Context, l *gateway.Live, n int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keepAlive)
	defer cancel()
	return l.Next(ctx, n)
}

type joinInput struct {
	ID          string `path:"id"`
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last event that arrived."`
}

func (s *API) joinMessage(ctx context.Context, in *joinInput) (*huma.StreamResponse, error) {
	live, err := s.Gateway.Join(ctx, identity.FromContext(ctx).Subject, in.ID)
	if err != nil {
		return nil, err
	}
	after, err := strconv.Atoi(in.LastEventID)
	if err != nil || after < 0 || after > live.Sent() || live.Replayed() {
		after = 0 // not a number of this stream: from the beginning
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("X-Client-Request-Id", live.ClientRequestID())
		relayLive(hc, live, after)
	}}, nil
}

type messageInput struct {
	ID string `path:"id"`
}

// nothing is an answer without a body.
type nothing struct{}

func (s *API) stopMessage(ctx context.Context, in *messageInput) (*nothing, error) {
	return &nothing{}, s.Gateway.Stop(ctx, identity.FromContext(ctx).Subject, in.ID)
}
