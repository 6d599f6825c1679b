// Package link keeps the way from an answer's name to its trace: which agent,
// experiment, conversation and message a client_request_id belongs to, whose it
// is, and, once known, the MLflow trace that carries its ratings.
//
// Its invariant: a trace id, once settled, never changes (first writer wins), so
// that every rating of an answer lands on one trace. A link outlives the text of
// its conversation. The package does not search for traces; delivery does.
package link

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// TraceBy says who records an answer's trace.
type TraceBy string

// The recorders. Foreign marks an id that was not minted here but found in
// MLflow: it belongs to nobody and its trace is there already.
const (
	ByAgent   TraceBy = "agent"
	ByGateway TraceBy = "gateway"
	Foreign   TraceBy = "foreign"
)

// Link is the row of one answer.
type Link struct {
	ClientRequestID string
	Actor           string // owner; empty for a foreign id
	AgentID         string
	AgentVersion    string
	ExperimentID    string // MLflow's
	ConversationID  string // empty when the answer is not stored
	MessageID       string // empty when the answer is not stored
	TraceBy         TraceBy
	Status          string    // of the answer: streaming, completed, stopped or failed
	TraceID         string    // settled MLflow trace id, opaque; empty while unknown
	ToldTraceID     string    // what the agent's stream said its trace is
	StartedAt       time.Time // when the id was minted
	EndedAt         time.Time // zero while streaming
	RecordedAt      time.Time // when our own trace was recorded; zero = not (yet)
}

// Settled reports whether ratings can be written to the trace without asking
// anybody where, or whether, it is.
func (l Link) Settled() bool {
	return l.TraceID != "" && !l.EndedAt.IsZero() && (l.TraceBy != ByGateway || !l.RecordedAt.IsZero())
}

// ErrTaken says that a client_request_id is in use already; mint another.
var ErrTaken = errors.New("client_request_id is taken")

// cacheSize bounds the memory cache: some 500 bytes each, 10 MB in all.
const cacheSize = 20_000

// Store keeps the links. It is safe for concurrent use. Only settled links are
// cached: nothing that matters to a reader changes in them, in any process.
type Store struct {
	db    *sqldb.DB
	cache *otter.Cache[string, Link]
}

// NewStore returns the store of the links in db.
func NewStore(db *sqldb.DB) *Store {
	return &Store{db: db, cache: otter.Must(&otter.Options[string, Link]{MaximumSize: cacheSize})}
}

// InsertTx adds a link, or returns ErrTaken.
func (s *Store) InsertTx(ctx context.Context, tx *sqldb.Tx, l Link) error {
	res, err := tx.Exec(ctx, `
		INSERT INTO links (client_request_id, actor, agent_id, agent_version, experiment_id, conversation_id, message_id,
			trace_by, status, trace_id, told_trace_id, started_at, ended_at, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (client_request_id) DO NOTHING`,
		l.ClientRequestID, l.Actor, l.AgentID, l.AgentVersion, l.ExperimentID, l.ConversationID, l.MessageID,
		string(l.TraceBy), l.Status, l.TraceID, l.ToldTraceID,
		sqldb.Micros(l.StartedAt), sqldb.Micros(l.EndedAt), sqldb.Micros(l.RecordedAt))
	if err != nil {
		return fmt.Errorf("insert link %s: %w", l.ClientRequestID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return ErrTaken
}

// Adopt keeps the link of a foreign id that was found in MLflow. An id that is
// linked already stays as it is; the link in force is returned.
func (s *Store) Adopt(ctx context.Context, l Link) (Link, error) {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if err := s.InsertTx(ctx, tx, l); !errors.Is(err, ErrTaken) {
			return err
		}
		return nil
	})
	if err != nil {
		return Link{}, err
	}
	return s.Get(ctx, l.ClientRequestID)
}

// Get returns the link of a client_request_id, from memory when it is settled.
// It does not ask whose it is: callers that act for a person compare Actor. The
// error is errs.NotFound when there is none.
func (s *Store) Get(ctx context.Context, id string) (Link, error) {
	if l, ok := s.cache.GetIfPresent(id); ok {
		return l, nil
	}
	var l Link
	err := s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		l, err = s.GetTx(ctx, tx, id)
		return err
	})
	if err != nil {
		return Link{}, err
	}
	if l.Settled() {
		s.cache.Set(id, l)
	}
	return l, nil
}

const columns = `client_request_id, actor, agent_id, agent_version, experiment_id, conversation_id, message_id,
	trace_by, status, trace_id, told_trace_id, started_at, ended_at, recorded_at`

// GetTx is Get within a transaction, past the cache.
func (s *Store) GetTx(ctx context.Context, tx *sqldb.Tx, id string) (Link, error) {
	l, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM links WHERE client_request_id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Link{}, errs.New(errs.NotFound, "There is no answer with this client_request_id.")
	}
	if err != nil {
		return Link{}, fmt.Errorf("get link %s: %w", id, err)
	}
	return l, nil
}

func scan(row interface{ Scan(...any) error }) (l Link, err error) {
	var started, ended, recorded int64
	err = row.Scan(&l.ClientRequestID, &l.Actor, &l.AgentID, &l.AgentVersion, &l.ExperimentID, &l.ConversationID, &l.MessageID,
		&l.TraceBy, &l.Status, &l.TraceID, &l.ToldTraceID, &started, &ended, &recorded)
	l.StartedAt, l.EndedAt, l.RecordedAt = sqldb.Time(started), sqldb.Time(ended), sqldb.Time(recorded)
	return l, err
}

// EndTx notes how the answer ended and what its stream said of its trace.
func (s *Store) EndTx(ctx context.Context, tx *sqldb.Tx, id, status, toldTraceID string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE links SET status = $2, told_trace_id = $3, ended_at = $4 WHERE client_request_id = $1`,
		id, status, toldTraceID, sqldb.Micros(at))
	if err != nil {
		return fmt.Errorf("end link %s: %w", id, err)
	}
	return nil
}

// Resolve settles which trace carries the answer's ratings. The first call wins;
// the link returned says which trace it is, and may name another than traceID.
func (s *Store) Resolve(ctx context.Context, id, traceID string) (Link, error) {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE links SET trace_id = $2 WHERE client_request_id = $1 AND trace_id = ''`, id, traceID)
		if err != nil {
			return err
		}
		return s.DropRecordTx(ctx, tx, id) // there is a trace: ours is not needed any more
	})
	if err != nil {
		return Link{}, fmt.Errorf("resolve link %s: %w", id, err)
	}
	return s.Get(ctx, id)
}

// RecordedTx notes that our own trace of the answer is in MLflow.
func (s *Store) RecordedTx(ctx context.Context, tx *sqldb.Tx, id string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE links SET recorded_at = $2 WHERE client_request_id = $1`, id, sqldb.Micros(at))
	if err != nil {
		return fmt.Errorf("mark link %s recorded: %w", id, err)
	}
	return nil
}

// TakeOverTx makes the answer's trace ours to record: the agent was never
// called, so it cannot have one. A settled trace id stays.
func (s *Store) TakeOverTx(ctx context.Context, tx *sqldb.Tx, id, traceID string) error {
	_, err := tx.Exec(ctx, `UPDATE links SET trace_by = $2, trace_id = $3 WHERE client_request_id = $1 AND trace_id = ''`,
		id, string(ByGateway), traceID)
	if err != nil {
		return fmt.Errorf("take over the trace of %s: %w", id, err)
	}
	return nil
}

// Unfinished returns the links of answers that are being written, or were when
// the process that wrote them died.
func (s *Store) Unfinished(ctx context.Context) (out []Link, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		out, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (Link, error) { return scan(r) },
			`SELECT `+columns+` FROM links WHERE status = 'streaming'`)
		return err
	})
	return out, err
}

// NextStart returns when the answer after l in the same conversation began; the
// zero time when there is none.
func (s *Store) NextStart(ctx context.Context, l Link) (time.Time, error) {
	var at sql.NullInt64
	err := s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT MIN(started_at) FROM links WHERE conversation_id = $1 AND started_at > $2`,
			l.ConversationID, sqldb.Micros(l.StartedAt)).Scan(&at)
	})
	return sqldb.Time(at.Int64), err
}

// ByConversation returns the links of a conversation's answers, by
// client_request_id.
func (s *Store) ByConversation(ctx context.Context, actor, conversationID string) (map[string]Link, error) {
	out := map[string]Link{}
	err := s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		links, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (Link, error) { return scan(r) },
			`SELECT `+columns+` FROM links WHERE conversation_id = $1 AND actor = $2`, conversationID, actor)
		for _, l := range links {
			out[l.ClientRequestID] = l
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the links of conversation %s: %w", conversationID, err)
	}
	return out, nil
}

// ByTrace returns the link of the answer whose ratings a trace carries;
// errs.NotFound when there is none.
func (s *Store) ByTrace(ctx context.Context, traceID string) (l Link, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		l, err = scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM links WHERE trace_id = $1 AND trace_id <> '' LIMIT 1`, traceID))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Link{}, errs.New(errs.NotFound, "No answer's ratings go to this trace.")
	}
	return l, err
}
