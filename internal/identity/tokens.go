package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// prefix makes a token recognisable to people and to secret scanners.
const prefix = "thp_"

// tokenSubject begins the subjects of API tokens.
const tokenSubject = "token:"

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Token is an API token as it may be shown: without its secret.
type Token struct {
	Name      string
	Scopes    []Scope
	CreatedAt time.Time
	RevokedAt time.Time // zero while it is good
}

// Tokens keeps API tokens. A token has 256 random bits, so its plain SHA-256 is
// all that need be stored, and looking the hash up leaks nothing of use.
type Tokens struct{ db *sqldb.DB }

// NewTokens returns the store on db.
func NewTokens(db *sqldb.DB) *Tokens { return &Tokens{db: db} }

// Create makes a token and returns its secret, which is shown now or never.
// Errors: Unprocessable for a bad name or scope, Conflict for a name that was
// ever used.
func (t *Tokens) Create(ctx context.Context, name string, scopes []Scope) (string, error) {
	if err := check(name, scopes); err != nil {
		return "", err
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // cannot fail
	secret := prefix + base64.RawURLEncoding.EncodeToString(b[:])
	const insert = `INSERT INTO tokens (name, hash, scopes, created_at, revoked_at) VALUES ($1, $2, $3, $4, 0) ON CONFLICT (name) DO NOTHING`
	err := t.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		res, err := tx.Exec(ctx, insert, name, hash(secret), join(scopes), time.Now().UnixMicro())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return errs.New(errs.Conflict, "There is, or was, a token named %s; a name is used once.", name)
	})
	if err != nil {
		return "", fmt.Errorf("create token %s: %w", name, err)
	}
	return secret, nil
}

func check(name string, scopes []Scope) error {
	if !namePattern.MatchString(name) {
		return errs.New(errs.Unprocessable, "A token's name has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit.")
	}
	if len(scopes) == 0 {
		return errs.New(errs.Unprocessable, "A token needs at least one scope of %s.", join(Scopes()))
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return errs.New(errs.Unprocessable, "Scope %q is unknown; it is one of %s.", s, join(Scopes()))
		}
	}
	return nil
}

// List returns all tokens, revoked ones too, oldest first.
func (t *Tokens) List(ctx context.Context) ([]Token, error) {
	const list = `SELECT name, scopes, created_at, revoked_at FROM tokens ORDER BY created_at, name`
	var out []Token
	err := t.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = sqldb.Collect(ctx, tx, scanToken, list)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return out, nil
}

func scanToken(rows *sql.Rows) (Token, error) {
	var tok Token
	var scopes string
	var created, revoked int64
	if err := rows.Scan(&tok.Name, &scopes, &created, &revoked); err != nil {
		return Token{}, err
	}
	tok.Scopes, tok.CreatedAt = split(scopes), time.UnixMicro(created).UTC()
	if revoked != 0 {
		tok.RevokedAt = time.UnixMicro(revoked).UTC()
	}
	return tok, nil
}

// Revoke makes a token useless at once and for ever. NotFound when there is no
// good one of that name.
func (t *Tokens) Revoke(ctx context.Context, name string) error {
	const revoke = `UPDATE tokens SET revoked_at = $1 WHERE name = $2 AND revoked_at = 0`
	err := t.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		res, err := tx.Exec(ctx, revoke, time.Now().UnixMicro(), name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return errs.New(errs.NotFound, "There is no token named %q that is still good.", name)
	})
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	return nil
}

// Lookup returns whose token it is. Unauthenticated when it is nobody's.
func (t *Tokens) Lookup(ctx context.Context, secret string) (Caller, error) {
	const lookup = `SELECT name, scopes FROM tokens WHERE hash = $1 AND revoked_at = 0`
	var name, scopes string
	err := t.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, lookup, hash(secret)).Scan(&name, &scopes)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Caller{}, errs.New(errs.Unauthenticated, "The API token is not valid. Send one that thumbprint token create made; where auth.mode is none, no Authorization header is enough.")
	}
	if err != nil {
		return Caller{}, errs.Wrap(err, errs.Unavailable, "The API token cannot be checked just now.").WithRetryAfter(time.Second)
	}
	return Caller{Subject: tokenSubject + name, Scopes: split(scopes)}, nil
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func join(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

func split(text string) []Scope {
	var out []Scope
	for word := range strings.FieldsSeq(text) {
		out = append(out, Scope(word))
	}
	return out
}
