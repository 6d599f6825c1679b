package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// fakeTokenEndpoint stands for {workspace}/oidc/v1/token, which nobody here has:
// it follows what Databricks documents of OAuth for service principals.
type fakeTokenEndpoint struct {
	mu    sync.Mutex
	asked int    // guarded by mu
	given int    // guarded by mu
	fail  int    // a status to fail with; guarded by mu
	last  string // what the last request said; guarded by mu
}

func (f *fakeTokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Second) // of the bubble
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	_ = r.ParseForm()
	id, secret, _ := r.BasicAuth()
	f.last = fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.URL, id, secret, r.Form.Get("grant_type"), r.Form.Get("scope"))
	w.Header().Set("Content-Type", "application/json")
	if f.fail != 0 {
		w.Header().Set("Location", "https://elsewhere.example/")
		w.WriteHeader(f.fail)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s %s is wrong"}`, id, secret)
		return
	}
	f.given++
	_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, f.given)
}

func (f *fakeTokenEndpoint) failWith(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = status
}

func machineAt(f http.Handler) *workspace {
	return newWorkspaceOver(config.Databricks{Host: "https://w.example", ClientID: "id", Secret: "canary"}, inProcess{f})
}

func TestATokenIsFetchedOnceForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokenEndpoint{}
		ws := machineAt(f)
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := ws.token(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who cannot wait got %v", err)
		}
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				if got, err := ws.token(t.Context()); got != "token-1" || err != nil {
					t.Errorf("token %q, %v", got, err)
				}
			})
		}
		callers.Wait()
		if f.given != 1 {
			t.Errorf("%d tokens were fetched for callers at the same time", f.given)
		}
		if want := "POST https://w.example/oidc/v1/token id canary client_credentials all-apis"; f.last != want {
			t.Errorf("it was asked for with %q, want %q", f.last, want)
		}
	})
}

// TestATokenIsReplacedBeforeItsEnd: nobody waits for the new one, and nobody is
// given an old one that has ended.
func TestATokenIsReplacedBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokenEndpoint{}
		ws := machineAt(f)
		at := func(when time.Duration, want string, waits bool) {
			t.Helper()
			time.Sleep(when)
			before := time.Now()
			got, err := ws.token(t.Context())
			if got != want || err != nil || (time.Since(before) > 0) != waits {
				t.Errorf("token %q after %v, %v; want %q, waiting %v", got, time.Since(before), err, want, waits)
			}
		}
		at(0, "token-1", true)
		at(54*time.Minute, "token-1", false)
		at(2*time.Minute, "token-1", false) // it is time, and in the background the next one comes
		at(2*time.Second, "token-2", false)
		f.failWith(http.StatusServiceUnavailable)
		at(57*time.Minute, "token-2", false) // no new one to be had, but the old one is good
		time.Sleep(10 * time.Minute)
		if got, err := ws.token(t.Context()); err == nil || errors.Is(err, mlflow.ErrUnauthenticated) {
			t.Errorf("token %q, which has ended; %v", got, err)
		}
		asked := f.asked
		for range 100 { // whose calls all fail at once, without asking again
			if got, err := ws.token(t.Context()); got != "" || err == nil {
				t.Errorf("token %q, %v", got, err)
			}
		}
		if f.asked != asked {
			t.Errorf("an endpoint that has just failed was asked %d times more", f.asked-asked)
		}
		f.failWith(0)
		at(fetchPause, "token-3", true)
	})
}

func TestAFailedSignInShowsNoSecret(t *testing.T) {
	for name, endpoint := range map[string]http.Handler{
		"refused":    &fakeTokenEndpoint{fail: http.StatusUnauthorized},
		"redirected": &fakeTokenEndpoint{fail: http.StatusTemporaryRedirect},
		"not a token": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, secret, _ := r.BasicAuth()
			_, _ = io.WriteString(w, "<html>"+secret)
		}),
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := machineAt(endpoint).token(t.Context())
			if got != "" || err == nil {
				t.Fatalf("%s: token %q, %v", name, got, err)
			}
			// Whom only a person can help waits for one; all else is tried again.
			if refused := name != "not a token"; errors.Is(err, mlflow.ErrUnauthenticated) != refused {
				t.Errorf("%s: the kind of %v", name, err)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: the secret is shown: %v", name, err)
			}
			if fake, ok := endpoint.(*fakeTokenEndpoint); ok && (strings.Contains(fake.last, "elsewhere") || !strings.Contains(err.Error(), fmt.Sprint(fake.fail))) {
				t.Errorf("%s: %v", name, err)
			}
			synctest.Wait()
		})
	}
	if _, err := newWorkspace(config.Databricks{Host: "https://w.example", Token: "pat"}).oauth(t.Context()); err == nil {
		t.Error("a personal access token was used for OAuth")
	}
}
