package app

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
)

func (p *program) exportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "Write everybody's feedback to standard output, also while the server runs", Args: noExportArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	q := feedback.Query{Everybody: true}
	var format, since, until string
	all := &cobra.Command{Use: "feedback", Short: "Write everybody's feedback, the newest first", Args: noExportArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if q.Since, err = parseDay("since", since); err != nil {
				return err
			}
			if q.Until, err = parseDay("until", until); err != nil {
				return err
			}
			if err := oneOf("kind", q.Kind, feedback.KindFeedback, feedback.KindExpectation); err != nil {
				return err
			}
			if err := oneOf("delivery", q.Delivery, feedback.Delivered, feedback.WaitingForTrace, feedback.WaitingForMLflow, feedback.Failed); err != nil {
				return err
			}
			if err := oneOf("format", format, feedback.CSV, feedback.JSONLines); err != nil {
				return err
			}
			return p.exportFeedback(cmd.Context(), format, q)
		}}
	f := all.Flags()
	f.StringVar(&format, "format", feedback.CSV, "csv (text that a spreadsheet would run begins with an apostrophe) or jsonl (everything as it was given)")
	f.StringVar(&q.AgentID, "agent", "", "only of the agent with this `ID`")
	f.StringVar(&q.ConversationID, "conversation", "", "only of the conversation with this `ID`")
	f.StringVar(&q.Target, "target", "", "only of this client_request_id")
	f.StringVar(&q.Name, "name", "", "only of the dimension `NAME`")
	f.StringVar(&q.Kind, "kind", "", "only feedback, or only expectation")
	f.StringVar(&q.Delivery, "delivery", "", "only delivered, waiting_for_trace, waiting_for_mlflow or failed")
	f.BoolVar(&q.Withdrawn, "withdrawn", false, "the withdrawn too")
	f.StringVar(&since, "since", "", "only what was first given at this `TIME` or later: 2026-11-27, or RFC 3339")
	f.StringVar(&until, "until", "", "only what was first given before this `TIME`")
	cmd.AddCommand(all)
	return cmd
}

func noExportArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unknown word %q; there is export feedback", args[0])
}

// parseDay reads a day, which begins in UTC, or a moment.
func parseDay(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--%s %q is not a time such as 2026-11-27 or 2026-11-27T14:00:00Z", flag, text)
}

// oneOf refuses a word that would silently find nothing.
func oneOf(flag, word string, allowed ...string) error {
	if word == "" || slices.Contains(allowed, word) {
		return nil
	}
	return usagef("--%s %q is not one of %s", flag, word, strings.Join(allowed, ", "))
}

func (p *program) exportFeedback(ctx context.Context, format string, q feedback.Query) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	db, err := openExisting(ctx, cfg)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	err = feedback.NewStore(db, outbox.NewStore(db)).Export(ctx, out, format, q)
	if e := errs.As(err); e != nil && e.Kind == errs.Unprocessable {
		err = usagef("%s", strings.TrimSuffix(e.Public, "."))
	}
	return errors.Join(err, out.Flush(), db.Close())
}
