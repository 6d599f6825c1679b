package delivery_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// TestTheModelDoesAsTheStores takes the model and the real stores through the same
// random steps: each step answers the same.
func TestTheModelDoesAsTheStores(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *sqldb.DB{"sqlite": sqldbtest.SQLite, "postgres": sqldbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := open(t)
				for from, to := seeds(10); from < to; from++ {
					compareStores(t, db, from)
				}
			})
		})
	}
}

// pair is the model and the real thing side by side, each as two processes.
type pair struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	model *model
	both  [2][2]stores      // the model's, the real one's
	skew  [2]time.Duration  // the processes' clocks
	names *strings.Replacer // what is made at random, in the model's words
	known []string          // pairs for names
	ids   [2][]string       // of feedback
	held  [][2]outbox.Job   // leased and not settled
	links []string
}

func compareStores(t *testing.T, db *sqldb.DB, seed uint64) {
	p := &pair{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 2)), model: newModel(""), names: strings.NewReplacer()}
	jobs := outbox.NewStore(db)
	for n := range p.skew {
		now := func() time.Time { return time.Now().Add(p.skew[n]) }
		p.both[0][n] = p.model.process(now)
		mine := jobs.WithClock(now)
		p.both[1][n] = stores{db: db, feedback: feedback.NewStore(db, mine), links: link.NewStore(db), jobs: mine}
	}
	p.begin(db)
	for n := range 80 {
		what := p.step()
		for _, kind := range []string{"stats", "next due", "feedback", "links"} {
			p.same(fmt.Sprintf("step %d, %s: then %s", n, what, kind), func(s stores, side int) any { return p.look(kind, s, side) })
		}
		time.Sleep(time.Duration(p.rng.IntN(20_000_000)) * time.Microsecond)
	}
}

// begin empties the database and adds two answers.
func (p *pair) begin(db *sqldb.DB) {
	p.t.Helper()
	ctx := p.t.Context()
	err := db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, table := range []string{"jobs", "feedback", "links", "turns"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
		}
		return nil
	})
	for i, by := range []link.TraceBy{link.ByGateway, link.ByAgent} {
		l := link.Link{ClientRequestID: fmt.Sprintf("req-%d-%d", p.seed, i), Actor: "local", AgentID: "a", ExperimentID: "0", TraceBy: by,
			Status: "completed", StartedAt: time.Now(), EndedAt: time.Now()}
		if by == link.ByGateway {
			l.TraceID = "tr-" + l.ClientRequestID
		}
		p.links = append(p.links, l.ClientRequestID)
		err = errors.Join(err, p.model.add(ctx, l, json.RawMessage(`{}`)), db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			return realAdd(ctx, tx, p.both[1][0], l)
		}))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// realAdd is model.add on the real stores.
func realAdd(ctx context.Context, tx *sqldb.Tx, s stores, l link.Link) error {
	links := s.links.(*link.Store)
	err := errors.Join(links.InsertTx(ctx, tx, l), links.SaveRecordTx(ctx, tx, l.ClientRequestID, json.RawMessage(`{}`)))
	if l.TraceBy == link.ByGateway {
		err = errors.Join(err, s.jobs.EnqueueTx(ctx, tx, link.RecordJob, l.ClientRequestID, time.Now()))
	}
	return err
}

// same does one thing on both sides and compares what comes back, errors included.
func (p *pair) same(what string, do func(s stores, side int) any) {
	p.t.Helper()
	n := p.rng.IntN(2)
	model, real := do(p.both[0][n], 0), do(p.both[1][n], 1)
	if d := gocmp.Diff(model, p.inModelWords(real), gocmp.Transformer("time", func(t time.Time) int64 { return sqldb.Micros(t) })); d != "" {
		p.t.Fatalf("seed %d, %s (-model +real):\n%s", p.seed, what, d)
	}
}

// answer is what a call returned, comparable.
func answer(v any, err error) any {
	kind := ""
	switch e := errs.As(err); {
	case errors.Is(err, outbox.ErrLeaseLost):
		kind = "lease lost"
	case e != nil:
		kind = fmt.Sprint(e.Kind)
	case err != nil:
		kind = err.Error()
	}
	return []any{v, kind}
}

// inModelWords replaces ids that the real side made.
func (p *pair) inModelWords(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = p.inModelWords(v[i])
		}
		return out
	case string:
		return p.names.Replace(v)
	case []string:
		out := slices.Clone(v)
		for i := range out {
			out[i] = p.names.Replace(out[i])
		}
		slices.Sort(out)
		return out
	case feedback.Feedback:
		v.ID, v.History = p.names.Replace(v.ID), nil
		return v
	case []outbox.Job:
		out := slices.Clone(v)
		for i := range out {
			out[i].Key = p.names.Replace(out[i].Key)
		}
		return sorted(out)
	}
	return v
}

// sorted is jobs in an order of their own, without what differs by nature.
func sorted(jobs []outbox.Job) []outbox.Job {
	out := slices.Clone(jobs)
	for i := range out {
		out[i].Token, out[i].Until = "", time.Time{}
	}
	slices.SortFunc(out, func(a, b outbox.Job) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) })
	return out
}

// look reads the whole of something.
func (p *pair) look(kind string, s stores, side int) any {
	ctx := p.t.Context()
	switch kind {
	case "stats":
		return answer(s.jobs.Stats(ctx))
	case "next due":
		wait, ok, err := s.jobs.NextDue(ctx)
		if !ok {
			wait = 0
		}
		return answer([]any{wait, ok}, err)
	case "feedback":
		var out []any
		for _, id := range p.ids[side] {
			out = append(out, answer(s.feedback.ForDelivery(ctx, id)))
		}
		waiting, err := s.feedback.WaitingAnswers(ctx, "", 10)
		return append(out, answer(waiting, err))
	}
	var out []any
	for _, id := range p.links {
		l, err := s.links.Get(ctx, id)
		if !l.RecordedAt.IsZero() {
			l.RecordedAt = l.EndedAt // a repeated recording may be dated as the first: nobody asks when
		}
		record, rerr := s.links.Record(ctx, id)
		out = append(out, answer(l, err), answer(string(record), rerr))
	}
	return out
}

// step does one random thing on both sides and says what.
func (p *pair) step() string {
	ctx := p.t.Context()
	what := []string{"put", "put", "withdraw", "lease", "lease", "settle", "settle", "settle", "hasten", "redate", "clock", "resolve", "recorded", "failed", "first"}[p.rng.IntN(15)]
	target := p.links[p.rng.IntN(len(p.links))]
	i := p.rng.IntN(max(1, len(p.ids[0])))
	if what == "withdraw" && len(p.ids[0]) == 0 || what == "settle" && len(p.held) == 0 {
		what = "put"
	}
	switch what {
	case "put":
		p.put(target)
	case "withdraw":
		p.same(what, func(s stores, side int) any { return answer(s.feedback.Withdraw(ctx, "local", p.ids[side][i], nil)) })
	case "lease":
		p.lease()
	case "settle":
		p.settle()
	case "clock":
		p.skew[p.rng.IntN(2)] = time.Duration(p.rng.IntN(80)-40) * time.Minute
	case "redate":
		p.same(what, func(s stores, _ int) any { return answer(nil, s.jobs.Redate(ctx, 30*time.Second)) })
	case "resolve":
		id := fmt.Sprint("tr-", p.rng.IntN(3))
		p.same(what, func(s stores, _ int) any {
			l, err := s.links.Resolve(ctx, target, id)
			return answer(l.TraceID, err)
		})
	case "failed":
		p.same(what, func(s stores, _ int) any { return answer(s.jobs.Failed(ctx, link.RecordJob, target)) })
	case "first":
		p.same(what, func(s stores, _ int) any {
			return answer(nil, s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return s.jobs.FirstTx(ctx, tx, link.RecordJob, target) }))
		})
	case "hasten", "recorded":
		p.same(what, func(s stores, _ int) any {
			return answer(nil, s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
				if what == "recorded" {
					if err := s.links.RecordedTx(ctx, tx, p.links[0], time.Now()); err != nil { // whose trace is ours
						return err
					}
				}
				ids, err := s.feedback.WaitingForTx(ctx, tx, target)
				return errors.Join(err, s.jobs.HastenTx(ctx, tx, feedback.DeliverJob, ids...))
			}))
		})
	}
	return what
}

func (p *pair) put(target string) {
	w := feedback.Write{Target: target, Name: []string{"user_feedback", "stars"}[p.rng.IntN(2)], Actor: "local", SourceID: "ann",
		Value: json.RawMessage([]string{`true`, `false`}[p.rng.IntN(2)])}
	if p.rng.IntN(4) == 0 {
		version := int64(p.rng.IntN(3))
		w.IfVersion = &version
	}
	var ids [2]string
	n := p.rng.IntN(2)
	var results [2]any
	for side := range p.both {
		res, err := p.both[side][n].feedback.PutAll(p.t.Context(), []feedback.Write{w}, nil, feedback.Key{})
		if err != nil {
			p.t.Fatal(err)
		}
		ids[side], results[side] = res[0].Feedback.ID, answer(res[0].Feedback, res[0].Err)
	}
	if ids[0] != "" && !slices.Contains(p.ids[0], ids[0]) {
		p.ids[0], p.ids[1] = append(p.ids[0], ids[0]), append(p.ids[1], ids[1])
		p.known = append(p.known, ids[1], ids[0])
		p.names = strings.NewReplacer(p.known...)
	}
	p.same("put", func(_ stores, side int) any { return results[side] })
}

// lease takes all that is due, or the first or last of it when that is one.
func (p *pair) lease() {
	n, order := 100, []outbox.Order{outbox.OldestFirst, outbox.NewestFirst}[p.rng.IntN(2)]
	if p.rng.IntN(2) == 0 && !p.model.jobs.tie() {
		n = 1
	}
	var leased [2][]outbox.Job
	p.same("lease", func(s stores, side int) any {
		jobs, err := s.jobs.Lease(p.t.Context(), n, 30*time.Second, order)
		leased[side] = jobs
		if side == 0 {
			return answer(sorted(jobs), err)
		}
		return answer(jobs, err)
	})
	byKey := func(jobs []outbox.Job, kind, key string) outbox.Job {
		i := slices.IndexFunc(jobs, func(j outbox.Job) bool { return j.Kind == kind && p.names.Replace(j.Key) == key })
		return jobs[i]
	}
	for _, j := range leased[0] {
		p.held = append(p.held, [2]outbox.Job{j, byKey(leased[1], j.Kind, j.Key)})
	}
}

// tie reports whether two jobs are due at the same time: then either is first.
func (t *modelJobs) tie() bool {
	for i := range len(t.due) - 1 {
		if t.due[i].notBefore == t.due[i+1].notBefore {
			return true
		}
	}
	return false
}

// settle settles one of the jobs that were leased, perhaps long ago.
func (p *pair) settle() {
	i := p.rng.IntN(len(p.held))
	j := p.held[i]
	p.held = slices.Delete(p.held, i, i+1)
	o := []outbox.Outcome{outbox.Done(), outbox.Done(), outbox.Fail("no"), outbox.Retry(time.Second, true, "x"), outbox.Retry(time.Hour, false, "y")}[p.rng.IntN(5)]
	o.Unsure = p.rng.IntN(3) == 0
	note := feedback.Note{State: []string{feedback.Delivered, feedback.WaitingForMLflow, feedback.Failed}[p.rng.IntN(3)], Reason: "r", TraceID: "tr-1", AssessmentID: "a-1"}
	version, broken := int64(1+p.rng.IntN(3)), p.rng.IntN(8) == 0
	p.same(fmt.Sprintf("settle %+v", o), func(s stores, side int) any {
		o := o
		o.Commit = func(ctx context.Context, tx *sqldb.Tx) error {
			if j[side].Kind == feedback.DeliverJob {
				if err := s.feedback.NoteTx(ctx, tx, feedback.Feedback{ID: j[side].Key, Version: version}, note); err != nil {
					return err
				}
			}
			if broken {
				return errs.New(errs.Internal, "undo all of it")
			}
			return nil
		}
		return answer(nil, s.jobs.Settle(p.t.Context(), j[side], o, 30*time.Second))
	})
}

// TestTheModelDoesAsMLflow takes the model of MLflow and the embedded store
// through the same random requests: each is answered the same.
func TestTheModelDoesAsMLflow(t *testing.T) {
	var clients [2]*mlflow.Client
	for i, server := range []http.RoundTripper{newModelMLflow(""), &network{server: mlflowapi.Handler(tracestore.NewStore(sqldbtest.SQLite(t)))}} {
		var err error
		if clients[i], err = clientOf(server); err != nil {
			t.Fatal(err)
		}
	}
	seed, _ := seeds(1)
	rng := rand.New(rand.NewPCG(seed, 3))
	for n := range 1500 {
		step := randomRequest(rng)
		model, real := step(t.Context(), clients[0]), step(t.Context(), clients[1])
		if d := gocmp.Diff(model, real); d != "" {
			t.Fatalf("seed %d, request %d (-model +embedded):\n%s", seed, n, d)
		}
	}
}

// randomRequest returns one request of those that a delivery makes.
func randomRequest(rng *rand.Rand) func(context.Context, *mlflow.Client) any {
	n := rng.IntN(4)
	trace, id := fmt.Sprintf("tr-%032d", n), fmt.Sprint("a-", n, rng.IntN(3))
	crid, value, why := fmt.Sprintf("req-%016d", n), any(rng.IntN(2) == 0), fmt.Sprint("because ", rng.IntN(3))
	meta := map[string]string{"k": fmt.Sprint(rng.IntN(2))}
	switch rng.IntN(8) {
	case 0:
		info := mlflow.TraceInfo{TraceID: trace, ClientRequestID: crid, ExperimentID: "0", RequestTime: time.UnixMilli(int64(n)).UTC(), State: mlflow.StateOK}
		return func(ctx context.Context, c *mlflow.Client) any {
			_, err := c.StartTrace(ctx, &info)
			return mlflowAnswer(nil, err)
		}
	case 1, 2:
		a := mlflow.Assessment{ID: id, Name: "user_feedback", Kind: mlflow.KindFeedback, Value: value, Rationale: why, Metadata: meta,
			Source: mlflow.Source{Type: mlflow.SourceHuman, ID: "ann"}}
		return func(ctx context.Context, c *mlflow.Client) any {
			return mlflowAnswer(c.CreateAssessment(ctx, trace, a))
		}
	case 3, 4:
		patch := mlflow.AssessmentPatch{Feedback: &value, Rationale: &why, Metadata: meta}
		return func(ctx context.Context, c *mlflow.Client) any {
			return mlflowAnswer(c.UpdateAssessment(ctx, trace, id, patch))
		}
	case 5:
		return func(ctx context.Context, c *mlflow.Client) any {
			return mlflowAnswer(nil, c.DeleteAssessment(ctx, trace, id))
		}
	case 6:
		return func(ctx context.Context, c *mlflow.Client) any { return mlflowAnswer(c.Assessment(ctx, trace, id)) }
	}
	return func(ctx context.Context, c *mlflow.Client) any {
		info, err := c.TraceInfo(ctx, trace)
		found, ferr := c.FindAllByClientRequestID(ctx, []string{crid, "req-9999999999999999"}, mlflow.FindOptions{ExperimentIDs: []string{"0"}})
		out := []any{mlflowAnswer(nil, err), mlflowAnswer(nil, ferr), len(found[crid])}
		if err == nil {
			slices.SortFunc(info.Assessments, func(a, b *mlflow.Assessment) int { return cmp.Compare(a.ID, b.ID) })
			for _, a := range info.Assessments {
				out = append(out, mlflowAnswer(a, nil))
			}
		}
		return out
	}
}

// mlflowAnswer is what a delivery looks at of an answer.
func mlflowAnswer(a *mlflow.Assessment, err error) any {
	for name, kind := range map[string]error{"not found": mlflow.ErrNotFound, "already exists": mlflow.ErrAlreadyExists} {
		if errors.Is(err, kind) {
			return name
		}
	}
	if err != nil {
		return err.Error()
	}
	if a == nil {
		return "ok"
	}
	return []any{a.ID, a.TraceID, a.Name, a.Value, a.Rationale, a.Metadata, a.Source}
}
