package mlflow_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// answering answers the n-th request, counted from 1, without a network, so that
// time can be fake.
type answering func(n int) (status int, body string)

type counted struct {
	answer answering
	n      int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	c.n++
	status, body := c.answer(c.n)
	h := http.Header{"Content-Type": {"application/json"}}
	if status == http.StatusTooManyRequests {
		h.Set("Retry-After", "30")
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func waitFor(t *testing.T, timeout time.Duration, answer answering) (tr *mlflow.TraceInfo, waited time.Duration, err error) {
	t.Helper()
	c, err := mlflow.New(mlflow.WithTrackingURI("http://mlflow"), mlflow.WithGetenv(func(string) string { return "" }),
		mlflow.WithHTTPClient(&http.Client{Transport: &counted{answer: answer}}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	start := time.Now()
	tr, err = c.WaitByClientRequestID(ctx, "req-1", mlflow.FindOptions{ExperimentIDs: []string{"1"}})
	return tr, time.Since(start), err
}

const foundOne = `{"traces":[{"trace_id":"tr-1","client_request_id":"req-1"}]}`

func TestWaitFindsALateTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		tr, waited, err := waitFor(t, time.Minute, func(int) (int, string) {
			if time.Since(start) < 5*time.Second {
				return 200, `{}`
			}
			return 200, foundOne
		})
		if err != nil || tr.TraceID != "tr-1" {
			t.Fatalf("got %+v, %v", tr, err)
		}
		if waited > 8*time.Second {
			t.Errorf("waited %v for a trace that came after 5 s", waited)
		}
	})
}

func TestWaitLooksThroughAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, waited, err := waitFor(t, time.Hour, func(n int) (int, string) {
			return []int{429, 503, 200}[min(n, 3)-1], foundOne
		})
		if err != nil || tr.TraceID != "tr-1" {
			t.Fatalf("got %+v, %v", tr, err)
		}
		if waited < 30*time.Second {
			t.Errorf("waited %v although the server said Retry-After: 30", waited)
		}
	})
}

func TestWaitLooksThroughATokenThatFailsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c, err := mlflow.New(mlflow.WithTrackingURI("http://mlflow"), mlflow.WithGetenv(func(string) string { return "" }),
			mlflow.WithHTTPClient(&http.Client{Transport: &counted{answer: func(int) (int, string) { return 200, foundOne }}}),
			mlflow.WithTokenSource(func(context.Context) (string, error) {
				if asked++; asked == 1 {
					return "", errors.New("vault is sealed")
				}
				return "token", nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		tr, err := c.WaitByClientRequestID(t.Context(), "req-1", mlflow.FindOptions{ExperimentIDs: []string{"1"}})
		if err != nil || tr.TraceID != "tr-1" {
			t.Errorf("got %+v, %v", tr, err)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   []error
		within time.Duration
	}{
		{"with the context", 200, `{}`, []error{context.DeadlineExceeded, mlflow.ErrNotFound}, 10 * time.Second},
		{"while the server is down", 503, `{}`, []error{context.DeadlineExceeded, mlflow.ErrUnavailable}, 10 * time.Second},
		{"at once when it is refused", 403, `{"error_code":"PERMISSION_DENIED"}`, []error{mlflow.ErrPermission}, 0},
		{"at once when the filter is bad", 400, `{"error_code":"INVALID_PARAMETER_VALUE"}`, []error{mlflow.ErrInvalid}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, waited, err := waitFor(t, 10*time.Second, func(int) (int, string) { return tt.status, tt.body })
				for _, want := range tt.want {
					if !errors.Is(err, want) {
						t.Errorf("error = %v, want %v", err, want)
					}
				}
				if waited > tt.within {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}
