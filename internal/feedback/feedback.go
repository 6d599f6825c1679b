// Package feedback keeps what people say of answers: per answer, dimension and
// actor one current value.
//
// Its invariant is the product's promise: a value and the job that delivers it
// to MLflow are written in one transaction, so an accepted rating is either
// delivered or visibly waiting or failed, never forgotten. Written again it is
// changed, withdrawn it is withdrawn there too; each write has a version. The
// package does not talk to MLflow; delivery does.
package feedback

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// The kinds of feedback, as MLflow calls them.
const (
	KindFeedback    = "feedback"
	KindExpectation = "expectation"
)

// The states of a delivery.
const (
	Delivered        = "delivered"
	WaitingForTrace  = "waiting_for_trace"
	WaitingForMLflow = "waiting_for_mlflow"
	Failed           = "failed" // for a reason a person can read; can be retried
)

// DeliverJob is the kind of the outbox jobs that deliver feedback; their key is
// the feedback's id.
const DeliverJob = "deliver_feedback"

// Feedback is one actor's current value for one dimension of one answer.
type Feedback struct {
	ID               string
	Target           string // a client_request_id, or the id of a conversation
	Answer           string // the client_request_id whose trace carries it; stays what it was first
	Kind             string
	Name             string // the dimension
	Actor            string // who gave it, as we know them
	SourceID         string // whom the actor named; the actor again when they may not name others
	Value            json.RawMessage
	Rationale        string
	Reasons          []string
	Metadata         map[string]string
	Version          int64 // grows with each change
	Withdrawn        bool
	Delivery         string
	DeliveryReason   string // why it waits or failed
	DeliveredVersion int64  // what MLflow has; 0 = nothing of it
	TraceID          string // where it was delivered to
	AssessmentID     string
	ConversationID   string
	AgentID          string // whose answer it is; as it was when first given, like the next
	AgentVersion     string
	History          []Attempt // of its deliveries; nil unless it was read alone
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// Current reports whether MLflow has the latest version.
func (f Feedback) Current() bool { return f.Delivery == Delivered && f.DeliveredVersion == f.Version }

// Store keeps the feedback. It is safe for concurrent use.
type Store struct {
	db   *sqldb.DB
	jobs *outbox.Store
}

// NewStore returns the store of the feedback in db, whose deliveries go to jobs.
func NewStore(db *sqldb.DB, jobs *outbox.Store) *Store { return &Store{db: db, jobs: jobs} }

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return "fb-" + hex.EncodeToString(b[:])
}
