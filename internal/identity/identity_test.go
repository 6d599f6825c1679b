package identity_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func TestTokens(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		tokens := identity.NewTokens(db)
		secret, err := tokens.Create(ctx, "ci", []identity.Scope{identity.ScopeTraces, identity.ScopeFeedback})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(secret, "thp_") || len(secret) != len("thp_")+43 {
			t.Errorf("secret %q", secret)
		}
		caller, err := tokens.Lookup(ctx, secret)
		if err != nil {
			t.Fatal(err)
		}
		want := identity.Caller{Subject: "token:ci", Scopes: []identity.Scope{identity.ScopeTraces, identity.ScopeFeedback}}
		if diff := cmp.Diff(want, caller); diff != "" {
			t.Error(diff)
		}
		if caller.MaySpeakForOthers() || caller.MayRateForeign() || caller.Can(identity.ScopeChat) {
			t.Error("the token may more than its scopes say")
		}

		listed, err := tokens.List(ctx)
		if err != nil || len(listed) != 1 || listed[0].Name != "ci" || !listed[0].RevokedAt.IsZero() || listed[0].CreatedAt.IsZero() {
			t.Errorf("List() = %+v, %v", listed, err)
		}
		if _, err := tokens.Create(ctx, "ci", []identity.Scope{identity.ScopeAdmin}); !errs.Is(err, errs.Conflict) {
			t.Errorf("the same name twice: %v, want a conflict", err)
		}

		if err := tokens.Revoke(ctx, "ci"); err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.Lookup(ctx, secret); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("a revoked token: %v, want Unauthenticated", err)
		}
		if err := tokens.Revoke(ctx, "ci"); !errs.Is(err, errs.NotFound) {
			t.Errorf("revoked twice: %v, want NotFound", err)
		}
		if _, err := tokens.Create(ctx, "ci", []identity.Scope{identity.ScopeChat}); !errs.Is(err, errs.Conflict) {
			t.Errorf("a revoked name given again: %v, want a conflict, because the name owns rows", err)
		}
		if listed, _ := tokens.List(ctx); len(listed) != 1 || listed[0].RevokedAt.IsZero() {
			t.Errorf("List() after revoke = %+v", listed)
		}
	})
}

func TestTheSecretIsNotStored(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		secret, err := identity.NewTokens(db).Create(ctx, "a", []identity.Scope{identity.ScopeChat})
		if err != nil {
			t.Fatal(err)
		}
		var row string
		err = db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			return tx.QueryRow(ctx, `SELECT name || ' ' || hash || ' ' || scopes FROM tokens`).Scan(&row)
		})
		if err != nil || strings.Contains(row, secret) || strings.Contains(row, secret[4:]) {
			t.Errorf("row %q (%v) for the secret %q", row, err, secret)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	tokens := identity.NewTokens(sqldbtest.SQLite(t))
	for _, tc := range []struct {
		name   string
		scopes []identity.Scope
	}{
		{"", []identity.Scope{"chat"}}, {"a b", []identity.Scope{"chat"}}, {"a\n", []identity.Scope{"chat"}},
		{strings.Repeat("a", 65), []identity.Scope{"chat"}}, {"a", nil}, {"a", []identity.Scope{"everything"}},
		{"a", []identity.Scope{"chat traces"}},
	} {
		if _, err := tokens.Create(t.Context(), tc.name, tc.scopes); !errs.Is(err, errs.Unprocessable) {
			t.Errorf("Create(%q, %q): %v, want Unprocessable", tc.name, tc.scopes, err)
		}
	}
}

func TestIdentify(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		tokens := identity.NewTokens(db)
		secret, err := tokens.Create(context.Background(), "bot", []identity.Scope{identity.ScopeFeedbackOthers})
		if err != nil {
			t.Fatal(err)
		}
		source := identity.NewSource(tokens)
		for _, tc := range []struct {
			name   string
			header map[string][]string
			want   string // subject; "" = 401
		}{
			{"nothing", nil, "local"},
			{"a token where only apps look", map[string][]string{"X-Thumbprint-Token": {"thp_no"}}, "local"},
			{"headers a proxy might set", map[string][]string{"X-User-Id": {"eve"}, "X-Forwarded-User": {"eve"}, "X-Forwarded-Email": {"eve@example.com"}}, "local"},
			{"a token", map[string][]string{"Authorization": {"Bearer " + secret}}, "token:bot"},
			{"a wrong token", map[string][]string{"Authorization": {"Bearer " + secret + "x"}}, ""},
			{"no token", map[string][]string{"Authorization": {"Bearer "}}, ""},
			{"empty", map[string][]string{"Authorization": {""}}, ""},
			{"lower case", map[string][]string{"Authorization": {"bearer " + secret}}, ""},
			{"Basic", map[string][]string{"Authorization": {"Basic dTpw"}}, ""},
			{"two", map[string][]string{"Authorization": {"Bearer " + secret, "Bearer " + secret}}, ""},
			{"SQL", map[string][]string{"Authorization": {"Bearer ' OR 1=1 --"}}, ""},
		} {
			r := httptest.NewRequest("GET", "/?token="+secret, nil)
			for k, v := range tc.header {
				r.Header[k] = v
			}
			got, err := source.Identify(r)
			if got.Subject != tc.want || (err == nil) != (tc.want != "") || err != nil && !errs.Is(err, errs.Unauthenticated) {
				t.Errorf("%s: %q, %v; want %q", tc.name, got.Subject, err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows the token", tc.name)
			}
			if err != nil && tc.name != "two" && !(strings.Contains(err.Error(), "thumbprint token create") && strings.Contains(err.Error(), "no Authorization header")) {
				t.Errorf("%s: %q does not say that no header, or which token, would do", tc.name, err)
			}
		}
	})
}

// TestBehindDatabricksApps: the proxy's headers name the caller there, an API
// token still counts, and what could be somebody else's is nobody's.
func TestBehindDatabricksApps(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		tokens := identity.NewTokens(db)
		secret, err := tokens.Create(context.Background(), "bot", []identity.Scope{identity.ScopeTraces})
		if err != nil {
			t.Fatal(err)
		}
		source := identity.NewDatabricksAppSource(tokens)
		for _, tc := range []struct {
			name   string
			header map[string][]string
			want   string // subject; "" = 401
		}{
			{"an address", map[string][]string{"X-Forwarded-Email": {"Ann@Example.com"}, "X-Forwarded-User": {"7@1"}}, "ann@example.com"},
			{"no address", map[string][]string{"X-Forwarded-User": {"7@1"}}, "7@1"},
			{"a token for the proxy", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "Authorization": {"Bearer eyJ0"}}, "ann@example.com"},
			{"a token of ours", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "Authorization": {"Bearer " + secret}}, "token:bot"},
			{"a token of ours beside the proxy's", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "Authorization": {"Bearer eyJ0"}, "X-Thumbprint-Token": {secret}}, "token:bot"},
			{"a wrong token beside the proxy's", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "X-Thumbprint-Token": {"thp_no"}}, ""},
			{"no token beside the proxy's", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "X-Thumbprint-Token": {""}}, ""},
			{"two tokens", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "X-Thumbprint-Token": {secret, secret}}, ""},
			{"a wrong token of ours", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "Authorization": {"Bearer thp_no"}}, ""},
			{"nothing", nil, ""},
			{"other headers", map[string][]string{"X-User-Id": {"ann@example.com"}, "X-Real-Ip": {"10.0.0.1"}}, ""},
			{"two addresses", map[string][]string{"X-Forwarded-Email": {"ann@example.com", "bob@example.com"}}, ""},
			{"two tokens", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "X-Forwarded-Access-Token": {"a", "b"}}, ""},
			{"two authorizations", map[string][]string{"X-Forwarded-Email": {"ann@example.com"}, "Authorization": {"Bearer a", "Bearer b"}}, ""},
			{"the one of another mode", map[string][]string{"X-Forwarded-Email": {"Local"}}, ""},
			{"the subject of a token", map[string][]string{"X-Forwarded-Email": {"token:bot"}}, ""},
			{"two lines", map[string][]string{"X-Forwarded-Email": {"ann@example.com\nx"}}, ""},
			{"not text", map[string][]string{"X-Forwarded-Email": {"ann\xff@example.com"}}, ""},
			{"too long", map[string][]string{"X-Forwarded-Email": {strings.Repeat("a", 251)}}, ""},
		} {
			r := httptest.NewRequest("GET", "/", nil)
			for k, v := range tc.header {
				r.Header[k] = v
			}
			got, err := source.Identify(r)
			if got.Subject != tc.want || (err == nil) != (tc.want != "") || err != nil && !errs.Is(err, errs.Unauthenticated) {
				t.Errorf("%s: %q, %v; want %q", tc.name, got.Subject, err, tc.want)
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Forwarded-Email", "ann@example.com")
		r.Header.Set("X-Forwarded-Access-Token", "anns")
		want := identity.Caller{Subject: "ann@example.com", Scopes: []identity.Scope{identity.ScopeChat, identity.ScopeFeedback}, AccessToken: "anns"}
		if got, err := source.Identify(r); err != nil || !cmp.Equal(want, got) {
			t.Error(cmp.Diff(want, got), err)
		}
	})
}

func TestNobodyMayNothing(t *testing.T) {
	nobody := identity.FromContext(context.Background())
	for _, s := range identity.Scopes() {
		if nobody.Can(s) {
			t.Errorf("nobody can %s", s)
		}
		if !identity.Local().Can(s) {
			t.Errorf("local cannot %s", s)
		}
	}
	if got := identity.FromContext(identity.NewContext(context.Background(), identity.Local())); got.Subject != "local" {
		t.Errorf("FromContext = %+v", got)
	}
}

// TestFailEveryStoreCall fails the N-th statement of what is done to tokens, for
// every N: the caller hears of it, and no token is half made or half revoked.
func TestFailEveryStoreCall(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		tokens := identity.NewTokens(db)
		sqldbtest.FailEach(t, db, []string{"tokens"}, func(ctx context.Context) error {
			_, err := tokens.Create(ctx, "ci", []identity.Scope{identity.ScopeTraces})
			return err
		})
		sqldbtest.FailEach(t, db, []string{"tokens"}, func(ctx context.Context) error { return tokens.Revoke(ctx, "ci") })
	})
}
