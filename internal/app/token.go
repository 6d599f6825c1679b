package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

func (p *program) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Create, list and revoke API tokens", Args: noTokenArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var scopes []string
	create := &cobra.Command{Use: "create NAME --scope SCOPE[,SCOPE]", Short: "Create a token and print it, once", Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withTokens(cmd.Context(), func(t *identity.Tokens) error { return p.createToken(cmd.Context(), t, args[0], scopes) })
		}}
	create.Flags().StringSliceVar(&scopes, "scope", nil, "what the token may: chat, feedback, feedback:others, traces, admin")
	list := &cobra.Command{Use: "list", Short: "List the tokens, without their secrets", Args: noTokenArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withTokens(cmd.Context(), func(t *identity.Tokens) error { return p.listTokens(cmd.Context(), t) })
		}}
	revoke := &cobra.Command{Use: "revoke NAME", Short: "Make a token useless, at once and for ever", Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withTokens(cmd.Context(), func(t *identity.Tokens) error { return t.Revoke(cmd.Context(), args[0]) })
		}}
	cmd.AddCommand(create, list, revoke)
	return cmd
}

func noTokenArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unknown word %q; there are token create, list and revoke", args[0])
}

func oneName(_ *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return usagef("give the token's name, and nothing else")
}

// withTokens opens the storage for one command. A server may be using it.
func (p *program) withTokens(ctx context.Context, do func(*identity.Tokens) error) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	db, err := openStorage(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = do(identity.NewTokens(db))
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	switch e := errs.As(err); {
	case e != nil && e.Kind == errs.Unprocessable:
		return usagef("%s", strings.TrimSuffix(e.Public, "."))
	case e != nil && e.Cause == nil:
		return errors.New(e.Public)
	}
	return err
}

func (p *program) createToken(ctx context.Context, t *identity.Tokens, name string, words []string) error {
	scopes := make([]identity.Scope, len(words))
	for i, w := range words {
		scopes[i] = identity.Scope(w)
	}
	secret, err := t.Create(ctx, name, scopes)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stderr, "This is the only time the token is shown. Send it as Authorization: Bearer TOKEN, or to MLflow as MLFLOW_TRACKING_TOKEN.")
	_, err = fmt.Fprintln(p.stdout, secret)
	return err
}

func (p *program) listTokens(ctx context.Context, t *identity.Tokens) error {
	tokens, err := t.List(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSCOPES\tCREATED\tREVOKED")
	for _, tok := range tokens {
		words := make([]string, len(tok.Scopes))
		for i, s := range tok.Scopes {
			words[i] = string(s)
		}
		revoked := "-"
		if !tok.RevokedAt.IsZero() {
			revoked = tok.RevokedAt.Format("2006-01-02 15:04")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", tok.Name, strings.Join(words, ","), tok.CreatedAt.Format("2006-01-02 15:04"), revoked)
	}
	return w.Flush()
}
