package feedback

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Write is one wish to set a value. Its key is (Target, Kind, Name, Actor,
// SourceID); what is not sent is gone: a changed vote loses the old reasons.
type Write struct {
	Target         string
	Answer         string // Target when empty; only the first write of a key decides it
	Kind           string // KindFeedback when empty
	Name           string
	Actor          string
	SourceID       string
	Value          json.RawMessage
	Rationale      string
	Reasons        []string
	Metadata       map[string]string
	ConversationID string
	AgentID        string // only the first write of a key decides it, like the next
	AgentVersion   string
	// IfVersion, when not nil, refuses the write unless the stored version is
	// this one (0 = there is none yet).
	IfVersion *int64
}

// normalize checks the sizes and brings the write into the form that is stored:
// canonical JSON, no NUL (PostgreSQL and MLflow on PostgreSQL refuse it).
func (w *Write) normalize() error {
	if w.Kind == "" {
		w.Kind = KindFeedback
	}
	if w.Answer == "" {
		w.Answer = w.Target
	}
	value, err := canonical(w.Name, w.Value)
	if err != nil {
		return err
	}
	w.Value = value
	w.Rationale = strings.ToValidUTF8(strings.ReplaceAll(w.Rationale, "\x00", ""), "\ufffd")
	switch {
	case len(w.Rationale) > MaxRationale:
		return errs.New(errs.TooLarge, "A comment has up to %d bytes; this one has %d.", MaxRationale, len(w.Rationale))
	case len(w.SourceID) > MaxSourceID || !printable(w.SourceID):
		return errs.New(errs.Unprocessable, "source_id is text of up to %d bytes without control characters.", MaxSourceID)
	case len(w.Metadata) > MaxMetadata:
		return errs.New(errs.Unprocessable, "metadata has up to %d entries.", MaxMetadata)
	}
	for k, v := range w.Metadata {
		if err := checkMetadata(k, v); err != nil {
			return err
		}
	}
	return nil
}

// canonical writes a value as MLflow will have it, so that equal values have
// equal text: numbers are doubles, texts valid UTF-8.
func canonical(name string, value json.RawMessage) (json.RawMessage, error) {
	v, err := decode(value)
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "The value of %q is not JSON.", clip(name))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the value of %q: %w", name, err)
	}
	text := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	if bytes.Contains(bytes.ReplaceAll(text, []byte(`\\`), nil), []byte(`\u0000`)) {
		return nil, errs.New(errs.Unprocessable, "The value of %q contains a NUL character.", clip(name))
	}
	return text, nil
}

// checkMetadata keeps callers out of the keys that mean something to MLflow and
// to us: a session key would make the rating match every trace of the session.
func checkMetadata(k, v string) error {
	lower := strings.ToLower(k)
	if k == "" || len(k) > MaxReason || !printable(k) || strings.HasPrefix(lower, "mlflow.") || strings.HasPrefix(lower, "thumbprint.") || strings.HasPrefix(k, "__") {
		return errs.New(errs.Unprocessable, "%q cannot be a metadata key: use up to %d characters, and not mlflow., thumbprint. or __ in front.", clip(k), MaxReason)
	}
	if len(v) > MaxMetaValue || strings.ContainsRune(v, 0) {
		return errs.New(errs.Unprocessable, "The metadata %q has a value of over %d bytes, or with a NUL.", clip(k), MaxMetaValue)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Result is what became of one Write of a batch.
type Result struct {
	Feedback Feedback
	Err      error // an *errs.Error; nil when it is stored
}

// Put stores one value and the job that delivers it, in one transaction. A nil
// error means that both are durable. The same value again changes nothing.
func (s *Store) Put(ctx context.Context, w Write) (Feedback, error) {
	res, err := s.PutAll(ctx, []Write{w}, nil, Key{})
	if err != nil {
		return Feedback{}, err
	}
	return res[0].Feedback, res[0].Err
}

// PutAll stores many values in one transaction, in order. A write that is
// refused has its error in its result and spoils no other; refused, if not nil,
// has the errors of those that are refused already. The returned error means
// that nothing was stored. A request with the same key is answered again and
// writes nothing.
func (s *Store) PutAll(ctx context.Context, ws []Write, refused []error, key Key) (results []Result, err error) {
	// Before the transaction: inside, the writer makes everybody wait.
	ws, wrong := slices.Clone(ws), make([]error, len(ws))
	copy(wrong, refused)
	for i := range ws {
		if wrong[i] == nil {
			wrong[i] = ws[i].normalize()
		}
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if key.Key != "" {
			if results, err = s.recallTx(ctx, tx, key); err != nil || results != nil {
				return err
			}
		}
		results = make([]Result, len(ws))
		for i, w := range ws {
			if wrong[i] != nil {
				results[i].Err = wrong[i]
				continue
			}
			f, err := s.putTx(ctx, tx, w)
			if err != nil && errs.As(err) == nil {
				return err // the database's; nothing of the batch is durable
			}
			results[i] = Result{Feedback: f, Err: err}
		}
		if key.Key != "" {
			return s.rememberTx(ctx, tx, key, results)
		}
		return nil
	})
	if err != nil && errs.As(err) == nil {
		err = errs.Wrap(err, errs.Unavailable, "The feedback could not be stored; please send it again.").WithRetryAfter(2 * time.Second)
	}
	if err != nil {
		return nil, err
	}
	s.jobs.Wake()
	return results, nil
}

func (s *Store) putTx(ctx context.Context, tx *sqldb.Tx, w Write) (Feedback, error) {
	old, err := s.findTx(ctx, tx, w)
	isNew := errors.Is(err, sql.ErrNoRows)
	if err != nil && !isNew {
		return Feedback{}, fmt.Errorf("look up feedback: %w", err)
	}
	if w.IfVersion != nil && *w.IfVersion != old.Version {
		return Feedback{}, errs.New(errs.PreconditionFailed, "The feedback was changed meanwhile: its version is %d.", old.Version)
	}
	if !isNew && old.same(w) && old.Delivery != Failed {
		return old, nil
	}
	f := old.changed(w, time.Now())
	if isNew {
		f.ID, f.CreatedAt = newID(), f.UpdatedAt
		f.Answer, f.AgentID, f.AgentVersion = w.Answer, w.AgentID, w.AgentVersion
	}
	if err := s.saveTx(ctx, tx, f); err != nil {
		return Feedback{}, err
	}
	return f, s.jobs.EnqueueTx(ctx, tx, DeliverJob, f.ID, f.UpdatedAt)
}

// same reports whether writing w would change nothing.
func (f Feedback) same(w Write) bool {
	return !f.Withdrawn && bytes.Equal(f.Value, w.Value) && f.Rationale == w.Rationale &&
		slices.Equal(f.Reasons, w.Reasons) && maps.Equal(f.Metadata, w.Metadata)
}

// changed is f with what w says, as the next version.
func (f Feedback) changed(w Write, now time.Time) Feedback {
	f.Target, f.Kind, f.Name, f.Actor, f.SourceID = w.Target, w.Kind, w.Name, w.Actor, w.SourceID
	f.Value, f.Rationale, f.Reasons, f.Metadata = w.Value, w.Rationale, w.Reasons, w.Metadata
	f.ConversationID = w.ConversationID
	return f.nextVersion(now)
}

func (f Feedback) nextVersion(now time.Time) Feedback {
	f.Withdrawn = false
	f.Version++
	f.UpdatedAt = now
	f.Delivery, f.DeliveryReason = WaitingForTrace, ""
	if f.TraceID != "" {
		f.Delivery = WaitingForMLflow
	}
	return f
}

// Withdraw takes the feedback back, here at once and in MLflow when delivered.
// Withdrawing it again changes nothing.
func (s *Store) Withdraw(ctx context.Context, actor, id string, ifVersion *int64) (f Feedback, err error) {
	err = s.changeTx(ctx, actor, id, func(old Feedback) (Feedback, error) {
		if ifVersion != nil && *ifVersion != old.Version {
			return old, errs.New(errs.PreconditionFailed, "The feedback was changed meanwhile: its version is %d.", old.Version)
		}
		if old.Withdrawn {
			f = old
			return old, errUnchanged
		}
		f = old.nextVersion(time.Now())
		f.Withdrawn = true
		f.Rationale, f.Reasons = "", nil // what was said is taken back with the vote
		return f, nil
	})
	return f, err
}

// errUnchanged says that there is nothing to write.
var errUnchanged = errors.New("unchanged")

// changeTx reads, changes and saves one feedback of actor and asks for its
// delivery, in one transaction.
func (s *Store) changeTx(ctx context.Context, actor, id string, change func(Feedback) (Feedback, error)) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		old, err := s.getTx(ctx, tx, actor, id, tx.Dialect().ForUpdate)
		if err != nil {
			return err
		}
		f, err := change(old)
		if err != nil {
			return err
		}
		if err := s.saveTx(ctx, tx, f); err != nil {
			return err
		}
		return s.jobs.EnqueueTx(ctx, tx, DeliverJob, f.ID, time.Now())
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil && errs.As(err) == nil {
		return errs.Wrap(err, errs.Unavailable, "The change could not be stored; please send it again.").WithRetryAfter(2 * time.Second)
	}
	s.jobs.Wake()
	return err
}
