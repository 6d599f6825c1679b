package delivery

import (
	"context"
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// What the engine asks of its stores: *sqldb.DB, *feedback.Store, *link.Store and
// *outbox.Store, where each method is described. They are interfaces because the
// simulator runs the engine on a model of them too, and lets them fail.
type (
	// DB is a *sqldb.DB.
	DB interface {
		InTx(ctx context.Context, fn func(ctx context.Context, tx *sqldb.Tx) error) error
	}
	// FeedbackStore is a *feedback.Store.
	FeedbackStore interface {
		Recall(ctx context.Context, k feedback.Key) ([]feedback.Result, error)
		PutAll(ctx context.Context, ws []feedback.Write, refused []error, k feedback.Key) ([]feedback.Result, error)
		Get(ctx context.Context, actor, id string) (feedback.Feedback, error)
		Withdraw(ctx context.Context, actor, id string, ifVersion *int64) (feedback.Feedback, error)
		List(ctx context.Context, q feedback.Query) (out []feedback.Feedback, next string, err error)
		RetryTx(ctx context.Context, tx *sqldb.Tx, id string) (failed bool, err error)
		ForDelivery(ctx context.Context, id string) (feedback.Feedback, error)
		NoteTx(ctx context.Context, tx *sqldb.Tx, f feedback.Feedback, n feedback.Note) error
		WaitingForTx(ctx context.Context, tx *sqldb.Tx, answer string) ([]string, error)
		WaitingAnswers(ctx context.Context, after string, n int) ([]string, error)
	}
	// LinkStore is a *link.Store.
	LinkStore interface {
		Get(ctx context.Context, id string) (link.Link, error)
		Newest(ctx context.Context, actor, conversationID string) (link.Link, error)
		ByTrace(ctx context.Context, traceID string) (link.Link, error)
		NextStart(ctx context.Context, l link.Link) (time.Time, error)
		Adopt(ctx context.Context, l link.Link) (link.Link, error)
		Resolve(ctx context.Context, id, traceID string) (link.Link, error)
		RecordedTx(ctx context.Context, tx *sqldb.Tx, id string, at time.Time) error
		Record(ctx context.Context, id string) (json.RawMessage, error)
		DropRecordTx(ctx context.Context, tx *sqldb.Tx, id string) error
	}
	// JobStore is an *outbox.Store.
	JobStore interface {
		EnqueueTx(ctx context.Context, tx *sqldb.Tx, kind, key string, notBefore time.Time) error
		HastenTx(ctx context.Context, tx *sqldb.Tx, kind string, keys ...string) error
		FirstTx(ctx context.Context, tx *sqldb.Tx, kind, key string) error
		RetryTx(ctx context.Context, tx *sqldb.Tx, kind, key string) error
		RetryAllTx(ctx context.Context, tx *sqldb.Tx, kind string) error
		Failed(ctx context.Context, kind, key string) (bool, error)
		Wake()
	}
)
