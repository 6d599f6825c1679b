package feedback

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Key makes a request that is sent twice one request. The zero Key does nothing.
type Key struct {
	Actor string // whose key it is; equal keys of others are other keys
	Key   string
	Body  string // a digest of what is asked for
}

// keptFor is how long a key is remembered.
const keptFor = 24 * time.Hour

// MaxKey is how long a key may be, in bytes.
const MaxKey = 255

// kept is what is remembered of one item: the feedback, or why it was refused.
type kept struct {
	ID      string       `json:"id,omitempty"`
	Refused *keptRefusal `json:"refused,omitempty"`
}

type keptRefusal struct {
	Kind   errs.Kind `json:"kind"`
	Public string    `json:"public"`
	Hint   string    `json:"hint,omitempty"`
	Code   string    `json:"code,omitempty"`
}

// Recall returns what the request with this key was answered; nil when it is new
// or has no key. What has become of its target since does not matter.
func (s *Store) Recall(ctx context.Context, k Key) (results []Result, err error) {
	if k.Key == "" {
		return nil, nil
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		results, err = s.recallTx(ctx, tx, k)
		return err
	})
	if err != nil && errs.As(err) == nil {
		err = errs.Wrap(err, errs.Unavailable, "The request could not be looked up; please send it again.").WithRetryAfter(2 * time.Second)
	}
	return results, err
}

// recallTx returns what the request with this key was answered; nil when it is
// new. The feedback is as it stands now: its delivery may have gone on.
func (s *Store) recallTx(ctx context.Context, tx *sqldb.Tx, k Key) ([]Result, error) {
	if len(k.Key) > MaxKey || !printable(k.Key) {
		return nil, errs.New(errs.Invalid, "An Idempotency-Key has up to %d characters, and no control characters.", MaxKey)
	}
	_, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE created_at < $1`, sqldb.Micros(time.Now().Add(-keptFor)))
	if err != nil {
		return nil, fmt.Errorf("forget old keys: %w", err)
	}
	var body, answer string
	err = tx.QueryRow(ctx, `SELECT body, answer FROM idempotency WHERE actor = $1 AND key = $2`, k.Actor, k.Key).Scan(&body, &answer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up a key: %w", err)
	case body != k.Body:
		return nil, errs.New(errs.Unprocessable, "This Idempotency-Key was sent with another request; use a new one for each.").WithCode("idempotency_key_reused")
	}
	var items []kept
	if err := json.Unmarshal([]byte(answer), &items); err != nil {
		return nil, fmt.Errorf("decode a kept answer: %w", err)
	}
	results := make([]Result, len(items))
	for i, item := range items {
		if r := item.Refused; r != nil {
			results[i].Err = &errs.Error{Kind: r.Kind, Public: r.Public, Hint: r.Hint, Code: r.Code}
			continue
		}
		if results[i].Feedback, err = s.getTx(ctx, tx, k.Actor, item.ID, ""); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// rememberTx keeps the answer. Of two first requests with one key at the same
// moment PostgreSQL refuses the later; run again, it finds the answer.
func (s *Store) rememberTx(ctx context.Context, tx *sqldb.Tx, k Key, results []Result) error {
	items := make([]kept, len(results))
	for i, r := range results {
		if e := errs.As(r.Err); e != nil {
			items[i].Refused = &keptRefusal{Kind: e.Kind, Public: e.Public, Hint: e.Hint, Code: e.Code}
			continue
		}
		items[i].ID = r.Feedback.ID
	}
	answer, err := json.Marshal(items)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO idempotency (actor, key, body, answer, created_at) VALUES ($1, $2, $3, $4, $5)`,
		k.Actor, k.Key, k.Body, string(answer), sqldb.Micros(time.Now()))
	if err != nil {
		return fmt.Errorf("keep a key: %w", err)
	}
	return nil
}
