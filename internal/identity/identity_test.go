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
			{"headers a proxy might set", map[string][]string{"X-User-Id": {"eve"}, "X-Forwarded-User": {"eve"}}, "local"},
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
