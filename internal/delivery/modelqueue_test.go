package delivery_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// modelJob is a row of the table of jobs.
type modelJob struct {
	kind, key string
	version   int64
	attempts  int
	created   int64
	notBefore int64
	n         int // the order of equals
	verify    int
	failed    bool
	token     string
}

// modelJobs is the table, with those that are not failed in the order they are
// due.
type modelJobs struct {
	all    map[[2]string]*modelJob
	due    []*modelJob
	n      int
	tokens int
}

func byDue(a, b *modelJob) int {
	return cmp.Or(cmp.Compare(a.notBefore, b.notBefore), cmp.Compare(a.n, b.n))
}

// update lets change work on the job, made new when there is none, and keeps the
// order; a job of version 0 is deleted. It is undone with its transaction.
func (m *model) update(kind, key string, change func(*modelJob)) {
	old := m.jobs.all[[2]string{kind, key}]
	row := &modelJob{kind: kind, key: key}
	if old != nil {
		*row = *old
	}
	change(row)
	m.jobs.replace(old, row)
	m.undo = append(m.undo, func() { m.jobs.replace(row, old) })
}

func (t *modelJobs) replace(old, row *modelJob) {
	if old != nil {
		delete(t.all, [2]string{old.kind, old.key})
		if i, ok := slices.BinarySearchFunc(t.due, old, byDue); ok {
			t.due = slices.Delete(t.due, i, i+1)
		}
	}
	if row == nil || row.version == 0 {
		return
	}
	t.all[[2]string{row.kind, row.key}] = row
	if row.failed {
		return
	}
	if t.n++; row.n == 0 {
		row.n = t.n
	}
	i, _ := slices.BinarySearchFunc(t.due, row, byDue)
	t.due = slices.Insert(t.due, i, row)
}

// enqueue is outbox.Store's EnqueueTx; verify is what is owed after the job.
func (m *model) enqueue(kind, key string, notBefore, now time.Time, verify int) {
	m.update(kind, key, func(j *modelJob) {
		if j.version == 0 {
			j.created, j.notBefore, j.verify = sqldb.Micros(now), sqldb.Micros(notBefore), verify
		} else if j.token == "" {
			j.notBefore = sqldb.Micros(notBefore)
		}
		if j.failed {
			j.created = sqldb.Micros(now)
		}
		if j.version > 0 && j.verify+verify > 0 {
			j.verify = lookLater
		}
		j.version++
		j.failed, j.attempts = false, 0
	})
}

// What a job owes after it is done.
const (
	lookOnceMore = 1
	lookLater    = 2
)

func (m *model) wakeUp() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// modelQueue is outbox.Store with a clock; what is not defined here is not used by
// a simulation.
type modelQueue struct {
	*model
	*outbox.Store
	now func() time.Time
}

func (q *modelQueue) EnqueueTx(_ context.Context, _ *sqldb.Tx, kind, key string, notBefore time.Time) error {
	q.enqueue(kind, key, notBefore, q.now(), 0)
	return nil
}

func (q *modelQueue) Wake()                  { q.wakeUp() }
func (q *modelQueue) Woken() <-chan struct{} { return q.wake }

func (q *modelQueue) HastenTx(_ context.Context, _ *sqldb.Tx, kind string, keys ...string) error {
	now := sqldb.Micros(q.now())
	for _, key := range keys {
		if j := q.jobs.all[[2]string{kind, key}]; j != nil && j.token == "" && !j.failed && j.verify != lookOnceMore && j.notBefore > now {
			q.update(kind, key, func(j *modelJob) { j.notBefore = now })
		}
	}
	return nil
}

func (q *modelQueue) FirstTx(_ context.Context, _ *sqldb.Tx, kind, key string) error {
	if j := q.jobs.all[[2]string{kind, key}]; j != nil && j.token == "" && !j.failed && j.verify != lookOnceMore {
		q.update(kind, key, func(j *modelJob) { j.notBefore = 0 })
	}
	return nil
}

func (q *modelQueue) Failed(_ context.Context, kind, key string) (failed bool, _ error) {
	q.view(func() {
		j := q.jobs.all[[2]string{kind, key}]
		failed = j != nil && j.failed
	})
	return failed, nil
}

func (q *modelQueue) Lease(ctx context.Context, n int, d time.Duration, order outbox.Order) (out []outbox.Job, err error) {
	now, until := q.now(), time.Now().Add(d)
	err = q.InTx(ctx, func(context.Context, *sqldb.Tx) error {
		q.jobs.tokens++
		token := fmt.Sprint("lease-", q.jobs.tokens)
		for _, j := range q.dueAt(sqldb.Micros(now), n, order) {
			q.update(j.kind, j.key, func(j *modelJob) {
				if j.token != "" && q.missing != takeoverLook {
					j.verify = lookLater
				}
				j.token, j.notBefore = token, sqldb.Micros(now.Add(d))
				out = append(out, outbox.Job{Kind: j.kind, Key: j.key, Version: j.version, Attempts: j.attempts,
					CreatedAt: sqldb.Time(j.created), Verify: j.verify != 0, Token: token, Until: until})
			})
		}
		return nil
	})
	return out, err
}

func (q *modelQueue) dueAt(now int64, n int, order outbox.Order) []*modelJob {
	end, _ := slices.BinarySearchFunc(q.jobs.due, now, func(j *modelJob, now int64) int { return cmp.Compare(j.notBefore, now+1) })
	n = min(n, end)
	if order == outbox.OldestFirst {
		return slices.Clone(q.jobs.due[:n])
	}
	return slices.Clone(q.jobs.due[end-n : end])
}

func (q *modelQueue) Settle(ctx context.Context, j outbox.Job, o outbox.Outcome, d time.Duration) error {
	lost := false
	err := q.InTx(ctx, func(ctx context.Context, _ *sqldb.Tx) error {
		if o.Commit != nil {
			if err := o.Commit(ctx, nil); err != nil {
				return err
			}
		}
		row := q.jobs.all[[2]string{j.Kind, j.Key}]
		switch held := row != nil && row.token == j.Token; {
		case !held && q.missing != leaseFence:
			lost = true
			return outbox.ErrLeaseLost
		case row != nil:
			q.apply(j, o, d)
		}
		return nil
	})
	if lost && q.missing != putBack {
		_ = q.InTx(context.WithoutCancel(ctx), func(context.Context, *sqldb.Tx) error {
			q.enqueue(j.Kind, j.Key, q.now(), q.now(), lookLater)
			return nil
		})
	}
	return err
}

func (q *modelQueue) apply(j outbox.Job, o outbox.Outcome, d time.Duration) {
	q.update(j.Kind, j.Key, func(row *modelJob) {
		row.token = ""
		if o.Unsure && q.missing != unsureLook {
			row.verify = lookLater
		}
		in := func(wait time.Duration) { row.notBefore = sqldb.Micros(q.now().Add(min(wait, 15*time.Minute))) }
		switch {
		case row.version != j.Version && q.missing != enqueueFence:
			in(0)
		case o.Done && row.verify == lookLater && q.missing != secondLook:
			row.verify = lookOnceMore
			in(d)
		case o.Done:
			row.version = 0
		case o.Failed:
			row.failed = true
			row.attempts++
		default:
			row.attempts += o.Counted
			in(o.Wait)
		}
	})
}

func (q *modelQueue) NextDue(context.Context) (wait time.Duration, ok bool, _ error) {
	q.view(func() {
		if ok = len(q.jobs.due) > 0; ok {
			wait = sqldb.Time(q.jobs.due[0].notBefore).Sub(q.now())
		}
	})
	return wait, ok, nil
}

func (q *modelQueue) Redate(ctx context.Context, d time.Duration) error {
	return q.InTx(ctx, func(context.Context, *sqldb.Tx) error {
		now := q.now()
		for _, j := range slices.Clone(q.jobs.due) {
			if j.notBefore > sqldb.Micros(now.Add(15*time.Minute)) {
				q.update(j.kind, j.key, func(j *modelJob) {
					if j.notBefore = sqldb.Micros(now); j.verify == lookOnceMore {
						j.notBefore = sqldb.Micros(now.Add(d))
					}
				})
			}
		}
		return nil
	})
}

func (q *modelQueue) Stats(_ context.Context, kinds ...string) (st outbox.Stats, _ error) {
	q.view(func() {
		for _, j := range q.jobs.all {
			switch {
			case len(kinds) > 0 && !slices.Contains(kinds, j.kind):
			case j.failed:
				st.Failed++
			case j.verify == lookOnceMore:
				st.Verifying++
			default:
				st.Pending++
				if at := sqldb.Time(j.created); st.Oldest.IsZero() || at.Before(st.Oldest) {
					st.Oldest = at
				}
			}
		}
	})
	return st, nil
}
