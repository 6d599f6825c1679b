package gateway

import (
	"context"
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// storeTimeout is how long storing an answer may take after its end.
const storeTimeout = 10 * time.Second

// keep stores the answer, what becomes of its link and the job that records its
// trace, in one transaction, and returns what the conversation is called after
// its first exchange. It does not depend on who still listens.
func (t *Turn) keep(a *Answer, tr *mlflowtrace.Trace) (title string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	s := t.svc
	// What can be made before is: inside, the writer makes everybody wait.
	m, err := a.message(t.MessageID)
	if err != nil {
		return "", err
	}
	full, err := encodeTrace(tr)
	if err != nil {
		return "", err
	}
	ours := t.agent.TraceBy == link.ByGateway || a.neverCalled
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if t.opens { // first, for who deletes the conversation locks it first, too
			var err error
			if title, err = s.chats.SettleTitleTx(ctx, tx, t.actor, t.ConversationID, a.Text); err != nil {
				return err
			}
		}
		record := full
		if !t.noStore {
			gone, err := s.chats.FinishTx(ctx, tx, m)
			if err == nil && gone { // its conversation was deleted meanwhile
				record, err = strip(full)
			}
			if err != nil {
				return err
			}
		}
		if err := s.links.EndTx(ctx, tx, t.ClientRequestID, a.Status, a.toldTraceID, a.ended); err != nil {
			return err
		}
		if err := s.links.SaveRecordTx(ctx, tx, t.ClientRequestID, record); err != nil {
			return err
		}
		if ours {
			return s.recordTx(ctx, tx, t.ClientRequestID, tr.ID, a.neverCalled)
		}
		return nil
	})
	if ours {
		s.jobs.Wake()
	}
	return title, err
}

// message is the answer's row as it ends.
func (a *Answer) message(id string) (chat.Message, error) {
	summary, err := json.Marshal(a.Summary)
	if err != nil {
		return chat.Message{}, err
	}
	content, err := json.Marshal(a.Text)
	if err != nil {
		return chat.Message{}, err
	}
	return chat.Message{
		ID: id, Content: content, Items: itemsJSON(a.Items), Status: a.Status, StoppedBy: a.StoppedBy,
		ErrorCode: a.ErrorCode, ErrorMessage: a.ErrorMessage, TraceSummary: summary, UpdatedAt: a.ended,
	}, nil
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

// The pauses between attempts to store an answer that our store refused.
const (
	firstKeepPause   = time.Second
	longestKeepPause = time.Minute
)

// keepLater goes on trying to store an answer until it is, or until the service
// drains: then Recover finds it interrupted at the next start.
func (s *Service) keepLater(t *Turn, a Answer, tr *mlflowtrace.Trace) {
	summary := *a.Summary // the caller's answer goes on to be a failed one
	a.Summary = &summary
	go func() {
		for pause := firstKeepPause; ; pause = min(2*pause, longestKeepPause) {
			select {
			case <-time.After(pause):
			case <-s.drained:
				return
			}
			if _, err := t.keep(&a, tr); err == nil {
				s.log.Info("answer stored after all", "client_request_id", t.ClientRequestID)
				return
			}
		}
	}()
}

const (
	// checkpointEvery is how much of a running answer a crash of ours may cost.
	checkpointEvery = time.Second
	// maxCheckpoints is how many are written at a time, all turns together.
	maxCheckpoints = 8
)

// checkpoint keeps what has been said so far, about once a second and beside
// the stream, which never waits for it. A store that is busy gets fewer.
func (t *Turn) checkpoint(obs *observer) {
	now := time.Now()
	if t.noStore || now.Sub(t.checkpointed) < checkpointEvery || !t.saving.CompareAndSwap(false, true) {
		return
	}
	select {
	case t.svc.checkpoints <- struct{}{}:
	default:
		t.saving.Store(false)
		return
	}
	t.checkpointed = now
	items := obs.soFar()
	t.saves.Go(func() {
		defer func() {
			t.saving.Store(false)
			<-t.svc.checkpoints
		}()
		content, err := json.Marshal(text(items))
		if err != nil {
			return // a string cannot fail
		}
		// An error matters only if we crash before the next one.
		_ = t.svc.db.InTx(t.ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			return t.svc.chats.CheckpointTx(ctx, tx, t.MessageID, content, itemsJSON(items), now)
		})
	})
}
