// Package chat keeps conversations and their messages: the text people see
// again when they come back.
//
// Messages of a conversation form a tree: regenerating an answer or editing a
// question makes a sibling with its own id, its own client_request_id and its
// own votes. Every row carries its actor and every query asks for it, so nobody
// reads or changes another person's chat, whatever id they guess. The package
// knows no agents, no streams and no MLflow.
package chat

import (
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// The states of a message. A question is always Complete.
const (
	Complete  = "complete"
	Streaming = "streaming"
	Completed = "completed"
	Stopped   = "stopped"
	Failed    = "failed"
)

// The roles a stored message can have.
const (
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Conversation is one chat of one actor.
type Conversation struct {
	ID        string
	Actor     string
	AgentID   string // the agent it was last held with
	Title     string
	CreatedAt time.Time
	UpdatedAt time.Time

	// Excerpt is set by List alone: where the first message that has the text
	// that was searched for has it, in the middle of a line.
	Excerpt string
}

// Message is one question or answer.
type Message struct {
	ID             string
	ConversationID string
	Actor          string
	ParentID       string // empty for a first message
	Seq            int64  // order of creation within the conversation
	Role           string
	Content        json.RawMessage // a JSON string, or a list of content parts
	Items          json.RawMessage // an answer's output items in the Responses vocabulary, a JSON list; nil for questions
	Status         string
	StoppedBy      string // who or what, when Status is Stopped: "user", "disconnect", "shutdown", "max_output_tokens", "content_filter" or "agent"
	ErrorCode      string // when Status is Failed
	ErrorMessage   string
	AgentID        string
	TraceID        string          // an answer's client_request_id; of an imported message, whatever it came with
	TraceSummary   json.RawMessage // nil while unknown
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Store keeps the chats. It is safe for concurrent use.
type Store struct {
	db *sqldb.DB
}

// NewStore returns the store of the chats in db.
func NewStore(db *sqldb.DB) *Store { return &Store{db: db} }
