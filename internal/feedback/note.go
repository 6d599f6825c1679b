package feedback

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Note is how a delivery stands.
type Note struct {
	State        string
	Reason       string
	Heard        string // what MLflow answered, such as "500 INTERNAL_ERROR"; "" when all went well or it was not asked
	Failures     int    // how often it has failed so far and is tried again for that
	TraceID      string // with Delivered
	AssessmentID string // with Delivered
}

// Attempt is one entry of the history of a feedback's deliveries. Attempts that
// end alike, one after the other, are one entry, of the time of the first.
type Attempt struct {
	At       time.Time
	Version  int64 // of the feedback that was to be delivered
	State    string
	Reason   string
	Heard    string
	Failures int
}

// maxHistory is how many entries are kept, the newest.
const maxHistory = 20

// SaysNothingNew reports whether the note says nothing new of f, so that nothing has to be
// written. Without an answer of MLflow's only the state and its reason count.
func (n Note) SaysNothingNew(f Feedback) bool {
	if n.State == Delivered || n.State != f.Delivery || n.Reason != f.DeliveryReason {
		return false
	}
	if n.Heard == "" {
		return true
	}
	last := f.lastAttempt()
	return last.Version == f.Version && last.Heard == n.Heard && last.Failures == n.Failures
}

func (f Feedback) lastAttempt() Attempt {
	if len(f.History) == 0 {
		return Attempt{}
	}
	return f.History[len(f.History)-1]
}

// NoteTx keeps how the delivery of f, as it was read for it, stands. A row that
// was changed since keeps its newer state; what MLflow has is noted all the same.
func (s *Store) NoteTx(ctx context.Context, tx *sqldb.Tx, f Feedback, n Note) error {
	history, err := f.historyWith(n, time.Now())
	if err != nil {
		return err
	}
	set := `history = $2, delivery = CASE WHEN version = $3 THEN $4 ELSE delivery END,
		delivery_reason = CASE WHEN version = $3 THEN $5 ELSE delivery_reason END`
	args := []any{f.ID, history, f.Version, n.State, n.Reason}
	if n.State == Delivered {
		set += `, delivered_version = $3, trace_id = $6, assessment_id = $7`
		args = append(args, n.TraceID, n.AssessmentID)
	}
	if _, err := tx.Exec(ctx, `UPDATE feedback SET `+set+` WHERE id = $1`, args...); err != nil {
		return fmt.Errorf("note the delivery of %s: %w", f.ID, err)
	}
	return nil
}

// jsonAttempt is how an Attempt is stored.
type jsonAttempt struct {
	At       int64  `json:"at"` // microseconds
	Version  int64  `json:"version"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Heard    string `json:"heard,omitempty"`
	Failures int    `json:"failures,omitempty"`
}

// historyWith is the history with one more entry, unless it ends with an equal
// one that still holds, as it is stored.
func (f Feedback) historyWith(n Note, now time.Time) (string, error) {
	next := Attempt{At: now, Version: f.Version, State: n.State, Reason: n.Reason, Heard: n.Heard, Failures: n.Failures}
	last := f.lastAttempt()
	last.At = now
	history := f.History
	if last != next || f.Delivery != n.State { // equal, but after something else: a person's retry
		history = append(history[:len(history):len(history)], next)
	}
	history = history[max(0, len(history)-maxHistory):]
	out := make([]jsonAttempt, len(history))
	for i, a := range history {
		out[i] = jsonAttempt{At: sqldb.Micros(a.At), Version: a.Version, State: a.State, Reason: a.Reason, Heard: a.Heard, Failures: a.Failures}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("encode a history: %w", err)
	}
	return string(raw), nil
}

func decodeHistory(text string) ([]Attempt, error) {
	var in []jsonAttempt
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, fmt.Errorf("decode a history: %w", err)
	}
	var out []Attempt
	for _, a := range in {
		out = append(out, Attempt{At: sqldb.Time(a.At), Version: a.Version, State: a.State, Reason: a.Reason, Heard: a.Heard, Failures: a.Failures})
	}
	return out, nil
}
