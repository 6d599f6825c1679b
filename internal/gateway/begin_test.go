package gateway

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { os.Exit(sqldbtest.Main(m)) }

// TestANameThatIsTakenIsNotGivenAgain: two answers never share a name, and the
// one that comes second gets another instead of a failure, whether the first is
// being written here, or elsewhere.
func TestANameThatIsTakenIsNotGivenAgain(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		process := func() *Service {
			return New(Options{DB: db, Chats: chat.NewStore(db), Links: link.NewStore(db), Jobs: outbox.NewStore(db),
				Agents: []*Agent{{ID: "a", TraceBy: link.ByGateway, ExperimentID: func() string { return "1" }}}})
		}
		here, elsewhere := process(), process()
		r := TurnRequest{Actor: "ann", AgentID: "a", Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"hi"`)}}}
		for _, tc := range []struct {
			svc     *Service
			mints   []string
			want    string
			running int
		}{
			{here, []string{"req-1"}, "req-1", 1},
			{here, []string{"req-1", "req-1", "req-2"}, "req-2", 2},
			{elsewhere, []string{"req-2", "req-1", "req-3"}, "req-3", 1},
			{here, []string{"req-1", "req-2", "req-3", "req-1"}, "", 2},
		} {
			tc.svc.mint = func() string {
				name := tc.mints[0]
				tc.mints = tc.mints[1:]
				return name
			}
			turn, err := tc.svc.Begin(t.Context(), r)
			if (err == nil) != (tc.want != "") || tc.svc.Running() != tc.running {
				t.Fatalf("want %q: got %+v, %v; %d turns are running", tc.want, turn, err, tc.svc.Running())
			}
			if err != nil {
				continue
			}
			m, err := here.chats.Message(t.Context(), "ann", turn.MessageID)
			if err != nil || turn.ClientRequestID != tc.want || m.TraceID != tc.want {
				t.Errorf("named %s, stored as %+v, %v; want %s", turn.ClientRequestID, m, err, tc.want)
			}
		}
	})
}
