package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime/debug"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// Sink takes the events of a turn. It may hold them back until Flush, which is
// called whenever the turn has nothing more to say at once, or until Run has
// returned. An error means that nobody listens any more.
type Sink interface {
	// Send takes one event, one line of JSON or the word [DONE], valid until it
	// returns. It is used by one goroutine at a time.
	Send(data []byte) error
	// Flush may be called by another goroutine meanwhile, and when Run has just
	// returned; then it does nothing.
	Flush() error
}

// Run answers the turn into sink and returns the answer, which is stored by
// then (or has failed with the code not_stored). When ctx ends or sink fails, the agent's call ends and the answer is
// stored as stopped by disconnect.
func (t *Turn) Run(ctx context.Context, sink Sink) *Answer {
	defer t.svc.dismiss(t)
	defer t.saves.Wait()
	defer t.cancel(nil)
	unhook := context.AfterFunc(ctx, func() { t.cancel(errDisconnect) })
	defer unhook()

	t.send(sink, announcement{"trace.client_request_id", t.ClientRequestID})
	if !t.noStore {
		t.send(sink, messageEvent{"thumbprint.message", t.ConversationID, t.MessageID, t.ParentID})
	}
	obs := newObserver(t.started)
	err := t.relay(sink, obs)
	t.flush(sink) // the answer does not wait until it is stored
	a := t.finish(obs, err)
	tr := t.complete(a)
	title, err := t.keep(a, tr)
	if err != nil {
		t.svc.log.Error("answer not stored", "client_request_id", t.ClientRequestID, "err", err)
		t.svc.keepLater(t, *a, tr)
		a.fail("not_stored", "The answer could not be stored; it is tried again, but copy what you need before you leave this page.")
	} else if title != "" {
		t.send(sink, titleEvent{"thumbprint.title", t.ConversationID, title})
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
	titleEvent struct {
		Type           string `json:"type"`
		ConversationID string `json:"conversation_id"`
		Title          string `json:"title"`
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

func (t *Turn) flush(sink Sink) {
	if err := sink.Flush(); err != nil {
		t.cancel(errDisconnect)
	}
}

// codeInternal is the error code of answers that a mistake of ours ended.
const codeInternal = "internal"

// relay calls the agent and passes its events on until the first error; io.EOF
// is the proper end. A panic ends this answer and nobody else's.
func (t *Turn) relay(sink Sink, obs *observer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			t.svc.log.Error("panic while an answer was relayed", "client_request_id", t.ClientRequestID, "panic", p, "stack", string(debug.Stack()))
			err = agent.Errorf(codeInternal, "The answer could not be read, by a mistake of this server.")
		}
	}()
	return t.relayAll(sink, obs)
}

func (t *Turn) relayAll(sink Sink, obs *observer) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	t.called = true
	t.req.OnWait = func() { t.flush(sink) }
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
		t.checkpoint(obs)
	}
}

// finish names the turn's end. Only the bare io.EOF is a proper one: the error of
// a stream that was cut may wrap it.
func (t *Turn) finish(obs *observer, err error) *Answer {
	a := obs.answer(t.ClientRequestID, err == io.EOF, time.Now())
	var ae *agent.Error
	switch cause := context.Cause(t.ctx); {
	case err == io.EOF && obs.cut != "":
		a.stop(obs.cut)
	case err == io.EOF:
		a.end(chat.Completed)
	case errors.Is(cause, errStopped):
		a.stop("user")
	case errors.Is(cause, errShutdown):
		a.stop("shutdown")
	case cause != nil:
		a.stop("disconnect")
	case errors.As(err, &ae):
		a.fail(ae.Code, ae.Message)
		a.Busy, a.RetryAfter = ae.Busy(), ae.RetryAfter
	default:
		a.fail(agent.CodeAgentError, "The agent failed.")
	}
	if a.Status == chat.Failed {
		t.svc.log.Warn("the agent failed", "agent", t.agent.ID, "client_request_id", t.ClientRequestID, "err", err)
	}
	a.neverCalled = !t.called || neverCalled(err)
	return a
}

// neverCalled reports whether the agent cannot have seen the request, so that
// it cannot have made a trace.
func neverCalled(err error) bool {
	return errors.Is(err, agent.ErrNotCalled) || errs.NotConnected(err) != nil
}
