package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

func (p *program) backupCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{Use: "backup --to FILE", Short: "Copy the SQLite database to a new file, also while the server runs", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.backup(cmd.Context(), to) }}
	cmd.Flags().StringVar(&to, "to", "", "the `FILE` to make; restore it as thumbprint.db in an empty data folder")
	return cmd
}

func (p *program) backup(ctx context.Context, to string) error {
	if to == "" {
		return usagef("say where to: backup --to FILE")
	}
	cfg, err := p.load()
	if err != nil {
		return err
	}
	err = sqldb.Backup(ctx, cfg.Storage.URL.Reveal(), to)
	switch {
	case errors.Is(err, sqldb.ErrNotSQLite):
		return errors.New("PostgreSQL is backed up with its own tools, such as pg_dump --format=custom")
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already (or %s.part, from a backup that was cut short); nothing is overwritten", to, to)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s holds a checked copy of %s. To restore it, start with --data and an empty folder that has it as thumbprint.db.\n", to, storageName(cfg))
	return err
}

// checkIntegrity reads a SQLite file to its end.
func checkIntegrity(ctx context.Context, cfg config.Config) finding {
	f := finding{what: "integrity", detail: "sound"}
	if !strings.HasPrefix(cfg.Storage.URL.Reveal(), "sqlite:") {
		f.detail = "PostgreSQL's own affair; back it up with pg_dump"
		return f
	}
	f.err = sqldb.CheckIntegrity(ctx, cfg.Storage.URL.Reveal())
	return f
}
