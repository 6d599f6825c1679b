package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/requestid"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// serveDurable is the least that a gateway in Go can be whose answers have a name
// that outlives it: the proxy, between the two commits that Thumbprint makes, of the
// link before it asks the agent, and of how the answer ended. What is more is ours.
func serveDurable(addr, upstream, database string) error {
	db, err := sqldb.Open(context.Background(), "sqlite:"+database, nil)
	if err != nil {
		return err
	}
	p, err := proxyTo(upstream)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	d := durable{db, link.NewStore(db)}
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		asks, id := len(body) > 0, requestid.New()
		if err == nil && asks {
			err = d.begin(r.Context(), id)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.ServeHTTP(w, r)
		if asks && d.end(r.Context(), id, body) != nil {
			panic(http.ErrAbortHandler)
		}
	}))
}

type durable struct {
	db    *sqldb.DB
	links *link.Store
}

func (d durable) begin(ctx context.Context, id string) error {
	l := link.Link{ClientRequestID: id, Actor: "local", AgentID: "fast", ExperimentID: "1", TraceBy: link.ByAgent,
		Status: chat.Streaming, StartedAt: time.Now()}
	return d.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return d.links.InsertTx(ctx, tx, l) })
}

func (d durable) end(ctx context.Context, id string, question json.RawMessage) error {
	return d.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return errors.Join(d.links.EndTx(ctx, tx, id, chat.Completed, "", time.Now()), d.links.SaveRecordTx(ctx, tx, id, question))
	})
}
