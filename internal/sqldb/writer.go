package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// ErrClosed is what SQLite's transactions return after Close.
var ErrClosed = errors.New("sqldb: database is closed")

// maxBatch is how many closures share one commit at most: enough that an fsync
// is no longer the limit, few enough that nobody waits long for the others.
const maxBatch = 256

// wariness is for how many batches closures get a savepoint each at once, after one
// failed: who has it fail again and again does not double everybody's work.
const wariness = 16

// writer owns SQLite's one writing connection. Its goroutine takes all closures
// that wait, runs them, commits once and answers all.
type writer struct {
	db   *sql.DB // to connect again, should the connection die
	conn *conn
	reqs chan *writeReq
	done chan struct{}

	wary int // batches for which closures get savepoints at once

	mu     sync.RWMutex
	closed bool // guarded by mu; no send on reqs once true
}

type writeReq struct {
	ctx    context.Context
	fn     func(context.Context, *Tx) error
	result chan error // capacity 1
	panic  any        // what fn panicked with; written before result is sent
}

func startWriter(db *sql.DB) *writer {
	w := &writer{db: db, conn: &conn{}, reqs: make(chan *writeReq, maxBatch), done: make(chan struct{})}
	go w.run()
	return w
}

// do hands fn to the goroutine and waits for its commit, also when ctx ends
// meanwhile: a caller must know whether its write is durable.
func (w *writer) do(ctx context.Context, fn func(context.Context, *Tx) error) error {
	r := &writeReq{ctx: ctx, fn: fn, result: make(chan error, 1)}
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return ErrClosed
	}
	select {
	case w.reqs <- r:
		w.mu.RUnlock()
	case <-ctx.Done():
		w.mu.RUnlock()
		return ctx.Err()
	}
	err := <-r.result
	if r.panic != nil {
		panic(r.panic)
	}
	return err
}

// stop refuses new writes, finishes those that wait and closes the connection.
func (w *writer) stop() error {
	w.mu.Lock()
	already := w.closed
	w.closed = true
	w.mu.Unlock()
	if !already {
		close(w.reqs)
	}
	<-w.done
	return nil
}

func (w *writer) run() {
	defer close(w.done)
	defer w.conn.drop()
	batch := make([]*writeReq, 0, maxBatch)
	for r := range w.reqs {
		batch = append(batch[:0], r)
		runtime.Gosched() // whoever is about to ask for a commit shares this one
		batch = w.drain(batch)
		w.commitTogether(batch)
	}
}

// drain adds the closures that already wait.
func (w *writer) drain(batch []*writeReq) []*writeReq {
	for len(batch) < maxBatch {
		select {
		case r, ok := <-w.reqs:
			if !ok {
				return batch
			}
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// commitTogether runs the batch in one transaction: at first as if all closures
// will succeed, which nearly all do, and when one does not, once more with each
// in a savepoint of its own; so are the next few batches. When the transaction itself breaks (SQLite undoes it
// whole on a full disk, for one), nothing was applied and each closure gets a
// transaction of its own, so that the one that broke it spoils nobody else.
func (w *writer) commitTogether(batch []*writeReq) {
	if len(batch) == 1 {
		batch[0].result <- w.alone(batch[0])
		return
	}
	results := make([]error, len(batch))
	hope := w.wary == 0
	w.wary = max(w.wary-1, 0)
	var err error
	if hope {
		if err = w.batch(batch, results, w.hopefully); errors.Is(err, errOneFailed) {
			w.wary, hope = wariness, false
		}
	}
	if !hope {
		err = w.batch(batch, results, w.inSavepoint)
	}
	switch {
	case errors.Is(err, errBroken):
		for _, r := range batch {
			r.result <- w.alone(r)
		}
	case err != nil: // BEGIN or COMMIT failed: nothing is durable
		for _, r := range batch {
			r.result <- err
		}
	default:
		for i, r := range batch {
			r.result <- results[i]
		}
	}
}

// batch runs all closures in one transaction, each by the given way.
func (w *writer) batch(batch []*writeReq, results []error, one func(*writeReq) (result, broken error)) error {
	return w.inTransaction(func() error {
		for i, r := range batch {
			if results[i] = r.ctx.Err(); results[i] != nil {
				continue
			}
			var broken error
			if results[i], broken = one(r); broken != nil {
				return broken
			}
		}
		return nil
	})
}

// errOneFailed ends a transaction because of one closure, whose writes cannot be
// told from those of the others.
var errOneFailed = errors.New("one of several closures failed")

// hopefully runs one closure of a batch with nothing to take it back alone.
func (w *writer) hopefully(r *writeReq) (result, broken error) {
	if w.call(r) != nil {
		return nil, errOneFailed
	}
	return nil, nil
}

// alone runs one closure in a transaction of its own.
func (w *writer) alone(r *writeReq) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return w.inTransaction(func() error { return w.call(r) })
}

// errBroken marks a transaction that SQLite rolled back under our feet.
var errBroken = errors.New("transaction was rolled back by SQLite")

// inSavepoint runs one closure of a batch. result is the closure's; broken is
// set when the transaction around it is gone.
func (w *writer) inSavepoint(r *writeReq) (result, broken error) {
	ctx := context.Background()
	if err := w.conn.exec(ctx, "SAVEPOINT one"); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	result = w.call(r)
	if result != nil {
		if err := w.conn.exec(ctx, "ROLLBACK TO one"); err != nil {
			return nil, fmt.Errorf("%w: %w", errBroken, err)
		}
	}
	if err := w.conn.exec(ctx, "RELEASE one"); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	return result, nil
}

// inTransaction wraps fn in BEGIN IMMEDIATE and COMMIT, or ROLLBACK on error.
// A failed COMMIT is never repeated: after a failed fsync a second one may
// succeed without the data being on disk.
func (w *writer) inTransaction(fn func() error) error {
	ctx := context.Background()
	if err := w.conn.begin(ctx, w.db, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := fn()
	if err == nil {
		if err = w.conn.exec(ctx, "COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	_ = w.conn.exec(ctx, "ROLLBACK") // fails when SQLite has already done it
	return err
}

// call runs the closure, keeping its panic for the caller's goroutine.
func (w *writer) call(r *writeReq) (err error) {
	r.panic = nil // it may be its second run
	defer func() {
		if p := recover(); p != nil {
			r.panic, err = p, fmt.Errorf("panic in transaction: %v", p)
		}
	}()
	return r.fn(context.WithoutCancel(r.ctx), &Tx{dialect: sqliteDialect, q: w.conn})
}
