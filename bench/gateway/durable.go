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
// that outlives it: the proxy, after the commit that Thumbprint makes before it
// asks the agent, of a link and the question. What is more than this is ours.
func serveDurable(addr, upstream, database string) error {
	db, err := sqldb.Open(context.Background(), "sqlite:"+database, nil)
	if err != nil {
		return err
	}
	p, err := proxyTo(upstream)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	links := link.NewStore(db)
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && len(body) > 0 {
			err = commit(r.Context(), db, links, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.ServeHTTP(w, r)
	}))
}

func commit(ctx context.Context, db *sqldb.DB, links *link.Store, question json.RawMessage) error {
	l := link.Link{ClientRequestID: requestid.New(), Actor: "local", AgentID: "fast", ExperimentID: "1", TraceBy: link.ByAgent,
		Status: chat.Streaming, StartedAt: time.Now()}
	return db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return errors.Join(links.InsertTx(ctx, tx, l), links.SaveRecordTx(ctx, tx, l.ClientRequestID, question))
	})
}
