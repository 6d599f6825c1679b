package mlflow_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

func TestNewClientRequestID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		for range 100 {
			id := mlflow.NewClientRequestID()
			// The bubble's clock stands at 2000-01-01: 946684800000 ms.
			if len(id) != 36 || !strings.HasPrefix(id, "00dc6acf-ac00-7") || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
				t.Fatalf("id = %q", id)
			}
			seen[id] = true
		}
	})
}

// TestFindUsesTheTimeInTheID checks the first search's filter.
func TestFindUsesTheTimeInTheID(t *testing.T) {
	id := mlflow.NewClientRequestID()
	from, to := time.Now().Add(-2*time.Minute).UnixMilli(), time.Now().UnixMilli()
	tests := []struct {
		name     string
		crid     string
		o        mlflow.FindOptions
		searches int
		windowed bool
	}{
		{"an id of ours", id, mlflow.FindOptions{}, 2, true},
		{"the caller's window is kept", id, mlflow.FindOptions{Since: time.UnixMilli(1)}, 2, false},
		{"no UUID", "req-0123456789abcdef", mlflow.FindOptions{}, 1, false},
		{"version 4", "0198c2f4-1111-4111-8111-111111111111", mlflow.FindOptions{}, 1, false},
		{"no hex", strings.Replace(id, id[:1], "x", 1), mlflow.FindOptions{}, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("POST", "/api/3.0/mlflow/traces/search", mlflowtest.OK(nil))
			tt.o.ExperimentIDs = []string{"1"}
			if _, err := s.Client().FindByClientRequestID(t.Context(), tt.crid, tt.o); kindOf(err) != "NotFound" {
				t.Fatalf("error = %v", err)
			}
			if n := len(s.Requests()); n != tt.searches {
				t.Errorf("%d searches, want %d", n, tt.searches)
			}
			filter := s.Requests()[0].JSON().(map[string]any)["filter"].(string)
			var since int64
			if _, after, ok := strings.Cut(filter, ">= "); ok {
				_, _ = fmt.Sscan(after, &since)
			}
			if got := from <= since && since <= to; got != tt.windowed {
				t.Errorf("filter = %s", filter)
			}
		})
	}
}
