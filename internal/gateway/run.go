package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Sink takes the events of a turn, each one line of JSON (or the word [DONE]),
// valid until Send returns. An error means that nobody listens any more.
type Sink interface {
	Send(data []byte) error
}

// storeTimeout is how long storing an answer may take after its end.
const storeTimeout = 10 * time.Second

// Run answers the turn into sink and returns the answer, which is stored by
// then. When ctx ends or sink fails, the agent's call ends and the answer is
// stored as stopped by disconnect.
func (t *Turn) Run(ctx context.Context, sink Sink) *Answer {
	defer t.svc.dismiss(t)
	defer t.cancel(nil)
	unhook := context.AfterFunc(ctx, func() { t.cancel(errDisconnect) })
	defer unhook()

	t.send(sink, announcement{"trace.client_request_id", t.ClientRequestID})
	if !t.noStore {
		t.send(sink, messageEvent{"thumbprint.message", t.ConversationID, t.MessageID, t.ParentID})
	}
	obs := newObserver(t.started)
	err := t.relay(sink, obs)
	a := t.finish(obs, err)
	if err := t.keep(a); err != nil {
		t.svc.log.Error("answer not stored", "client_request_id", t.ClientRequestID, "err", err)
		a.fail("not_stored", "The answer could not be stored; it is lost when you leave this page.")
	}
	if a.Status == chat.Failed {
		t.send(sink, errorEvent{"error", a.ErrorCode, a.ErrorMessage})
	}
	t.send(sink, doneEvent{"thumbprint.done", a.Status, a.StoppedBy, a.Summary})
	t.sendRaw(sink, []byte("[DONE]"))
	return a
}

// The events of ours.
type (
	announcement struct {
		Type            string `json:"type"`
		ClientRequestID string `json:"client_request_id"`
	}
	messageEvent struct {
		Type           string `json:"type"`
		ConversationID string `json:"conversation_id"`
		MessageID      string `json:"message_id"`
		ParentID       string `json:"parent_id"`
	}
	errorEvent struct {
		Type    string `json:"type"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	doneEvent struct {
		Type      string   `json:"type"`
		Status    string   `json:"status"`
		StoppedBy string   `json:"stopped_by,omitempty"`
		Summary   *Summary `json:"trace_summary"`
	}
)

// send gives sink one event of ours. A sink that fails ends the turn.
func (t *Turn) send(sink Sink, event any) {
	data, err := json.Marshal(event)
	if err != nil { // our own types: cannot be
		t.svc.log.Error("event not encoded", "err", err)
		return
	}
	t.sendRaw(sink, data)
}

func (t *Turn) sendRaw(sink Sink, data []byte) {
	if err := sink.Send(data); err != nil {
		t.cancel(errDisconnect)
	}
}

// relay calls the agent and passes its events on until the first error; io.EOF
// is the proper end.
func (t *Turn) relay(sink Sink, obs *observer) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	stream, err := t.agent.Client.Open(t.ctx, &t.req)
	if err != nil {
		return err
	}
	defer func() {
		obs.toldTraceID = stream.TraceID()
		if n := stream.Dropped(); n > 0 {
			t.svc.log.Warn("the agent sent events that are ours to send; dropped", "agent", t.agent.ID, "events", n)
		}
		_ = stream.Close()
	}()
	for {
		ev, err := stream.Next()
		if err != nil {
			return err
		}
		if err := obs.see(ev); err != nil {
			return err
		}
		t.sendRaw(sink, ev.Data)
		if err := t.ctx.Err(); err != nil {
			return err
		}
	}
}

// finish names the turn's end.
func (t *Turn) finish(obs *observer, err error) *Answer {
	a := obs.answer(t)
	var ae *agent.Error
	switch cause := context.Cause(t.ctx); {
	case errors.Is(err, io.EOF):
		a.end(chat.Completed)
	case errors.Is(cause, errStopped):
		a.stop("user")
	case errors.Is(cause, errShutdown):
		a.stop("shutdown")
	case cause != nil:
		a.stop("disconnect")
	case errors.As(err, &ae):
		a.fail(ae.Code, ae.Message)
	default:
		a.fail(agent.CodeAgentError, "The agent failed.")
	}
	if a.Status == chat.Failed {
		t.svc.log.Warn("the agent failed", "agent", t.agent.ID, "client_request_id", t.ClientRequestID, "err", err)
	}
	a.neverCalled = neverCalled(err)
	return a
}

// neverCalled reports whether the agent cannot have seen the request, so that
// it cannot have made a trace.
func neverCalled(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// keep stores the answer, what becomes of its link and the job that records its
// trace, in one transaction. It does not depend on who still listens.
func (t *Turn) keep(a *Answer) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	t.complete(a)
	s := t.svc
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		gone, err := t.keepMessage(ctx, tx, a)
		if err != nil {
			return err
		}
		record, err := t.record()
		if err == nil && gone {
			record, err = strip(record)
		}
		if err != nil {
			return err
		}
		if err := s.links.EndTx(ctx, tx, t.ClientRequestID, a.Status, a.toldTraceID, a.ended); err != nil {
			return err
		}
		if err := s.links.SaveRecordTx(ctx, tx, t.ClientRequestID, record); err != nil {
			return err
		}
		if t.agent.TraceBy == link.ByGateway || a.neverCalled {
			return s.recordTx(ctx, tx, t.ClientRequestID, t.trace.ID, a.neverCalled)
		}
		return nil
	})
	s.jobs.Wake()
	return err
}

// keepMessage stores the answer's text; gone says that its conversation was
// deleted meanwhile.
func (t *Turn) keepMessage(ctx context.Context, tx *sqldb.Tx, a *Answer) (gone bool, err error) {
	if t.noStore {
		return false, nil
	}
	summary, err := json.Marshal(a.Summary)
	if err != nil {
		return false, err
	}
	content, err := json.Marshal(a.Text)
	if err != nil {
		return false, err
	}
	wrote, err := t.svc.chats.FinishTx(ctx, tx, chat.Message{
		ID: t.MessageID, Content: content, Items: a.itemsJSON(), Status: a.Status, StoppedBy: a.StoppedBy,
		ErrorCode: a.ErrorCode, ErrorMessage: a.ErrorMessage, TraceSummary: summary, UpdatedAt: a.ended,
	})
	return !wrote, err
}

// recordTx asks for the trace to be recorded. takeOver makes it ours although
// the agent was to record it: it was never called, so nobody else will.
func (s *Service) recordTx(ctx context.Context, tx *sqldb.Tx, id, traceID string, takeOver bool) error {
	if takeOver {
		if err := s.links.TakeOverTx(ctx, tx, id, traceID); err != nil {
			return err
		}
	}
	return s.jobs.EnqueueTx(ctx, tx, link.RecordJob, id, time.Now())
}
