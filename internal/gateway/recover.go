package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// CodeInterrupted is the error code of answers that a crash of ours cut off.
const CodeInterrupted = "interrupted"

const interrupted = "The server was stopped while the agent was answering."

// Recover ends the answers that were being written when the server died: they
// fail visibly, keep their names, and can be rated. It returns how many there
// were. Call it before the first turn.
func (s *Service) Recover(ctx context.Context) (int, error) {
	open, err := s.links.Unfinished(ctx)
	if err != nil {
		return 0, fmt.Errorf("find interrupted answers: %w", err)
	}
	for _, l := range open {
		if err := s.interrupt(ctx, l); err != nil {
			return 0, fmt.Errorf("end the interrupted answer %s: %w", l.ClientRequestID, err)
		}
	}
	s.jobs.Wake()
	return len(open), nil
}

func (s *Service) interrupt(ctx context.Context, l link.Link) error {
	branch, err := s.interruptedBranch(ctx, l)
	if err != nil {
		return err
	}
	a := interruptedAnswer(l, branch)
	tr, err := s.begunTrace(ctx, l, branch)
	if err != nil {
		return err
	}
	a.fill(tr, len(branch) > 0)
	record, err := encodeTrace(tr)
	if err != nil {
		return err
	}
	m, err := a.message(l.MessageID)
	if err != nil {
		return err
	}
	now := time.Now()
	m.UpdatedAt = now
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if len(branch) > 0 {
			if _, err := s.chats.FinishTx(ctx, tx, m); err != nil {
				return err
			}
		}
		if err := s.links.EndTx(ctx, tx, l.ClientRequestID, chat.Failed, "", now); err != nil {
			return err
		}
		if err := s.links.SaveRecordTx(ctx, tx, l.ClientRequestID, record); err != nil {
			return err
		}
		if l.TraceBy == link.ByGateway {
			return s.jobs.EnqueueTx(ctx, tx, link.RecordJob, l.ClientRequestID, now)
		}
		return nil
	})
}

// interruptedAnswer is the answer as it was last kept, about a second before the crash
// or when it was begun. When its first word came and what it cost are not kept.
func interruptedAnswer(l link.Link, branch []chat.Message) *Answer {
	obs, seen := newObserver(l.StartedAt), l.StartedAt
	if n := len(branch); n > 0 {
		seen = branch[n-1].UpdatedAt
		for _, item := range gjson.ParseBytes(branch[n-1].Items).Array() {
			obs.item(cutOff(item), seen)
		}
		obs.first = time.Time{}
	}
	a := obs.answer(l.ClientRequestID, false, seen)
	a.Summary.TraceID = l.TraceID
	a.fail(CodeInterrupted, interrupted)
	return a
}

// cutOff is an item as it stays: what was being said when it was kept will not be said
// to its end.
func cutOff(item gjson.Result) gjson.Result {
	var members map[string]json.RawMessage
	if item.Get("status").Str != "in_progress" || json.Unmarshal([]byte(item.Raw), &members) != nil {
		return item
	}
	members["status"] = json.RawMessage(`"incomplete"`)
	raw, err := json.Marshal(members)
	if err != nil {
		return item
	}
	return gjson.ParseBytes(raw)
}

// interruptedBranch is what was said down to the answer; empty when that is not
// stored, or not any more.
func (s *Service) interruptedBranch(ctx context.Context, l link.Link) ([]chat.Message, error) {
	if l.MessageID == "" {
		return nil, nil
	}
	branch, err := s.chats.Branch(ctx, l.Actor, l.ConversationID, l.MessageID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return branch, err
}

// begunTrace is the trace as it was when the turn began: the one that was kept,
// or else what link and conversation tell.
func (s *Service) begunTrace(ctx context.Context, l link.Link, branch []chat.Message) (*mlflowtrace.Trace, error) {
	record, err := s.links.Record(ctx, l.ClientRequestID)
	if errs.Is(err, errs.NotFound) {
		return newTrace(l, l.Actor, history(branch[:max(0, len(branch)-1)])), nil
	}
	if err != nil {
		return nil, err
	}
	tr := new(mlflowtrace.Trace)
	if err := json.Unmarshal(record, tr); err != nil {
		return nil, fmt.Errorf("read the kept trace: %w", err)
	}
	return tr, nil
}
