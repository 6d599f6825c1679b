package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// experiments knows MLflow's id of each agent's experiment. A name is looked up,
// and created when missing, in the background until MLflow has answered: a
// server that is down must not keep people from chatting.
type experiments struct {
	client *mlflow.Client
	log    *slog.Logger

	mu     sync.Mutex
	byName map[string]string // "" while unknown; guarded by mu
	warned map[string]bool   // agents whose trouble has been told; guarded by mu
}

func newExperiments(client *mlflow.Client, log *slog.Logger) *experiments {
	return &experiments{client: client, log: log, byName: map[string]string{}, warned: map[string]bool{}}
}

// idOf returns what tells the id of an agent's experiment, "" while unknown.
func (x *experiments) idOf(a config.Agent) func() string {
	if a.ExperimentID != "" {
		return func() string { return a.ExperimentID }
	}
	return func() string {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.byName[a.Experiment]
	}
}

// The pauses between two tries.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
)

// resolve settles every agent's experiment, trying again until ctx ends. Each
// agent's first failure is a warning.
func (x *experiments) resolve(ctx context.Context, agents []config.Agent) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if agents = x.settleAll(ctx, agents); len(agents) == 0 {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// settleAll tries each agent's experiment once and returns those to try again.
func (x *experiments) settleAll(ctx context.Context, agents []config.Agent) (left []config.Agent) {
	for _, a := range agents {
		err := x.settle(ctx, a)
		if err != nil && ctx.Err() == nil {
			x.warn(a.ID, err)
		}
		if err != nil && !errors.Is(err, errNoExperiment) {
			left = append(left, a)
		}
	}
	return left
}

func (x *experiments) warn(agentID string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.warned[agentID] {
		x.log.Warn("the experiment of an agent cannot be used; its traces and ratings wait", "agent", agentID, "err", err)
		x.warned[agentID] = true
	}
}

// errNoExperiment says that MLflow answered, and has no such experiment.
var errNoExperiment = errors.New("MLflow has no experiment with this id")

// settle finds or makes one agent's experiment.
func (x *experiments) settle(ctx context.Context, a config.Agent) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if a.ExperimentID != "" {
		_, err := x.client.Experiment(ctx, a.ExperimentID)
		if errors.Is(err, mlflow.ErrNotFound) {
			return fmt.Errorf("experiment %s: %w", a.ExperimentID, errNoExperiment)
		}
		return err
	}
	id, err := x.client.EnsureExperiment(ctx, a.Experiment)
	if err != nil {
		return fmt.Errorf("experiment %q: %w", a.Experiment, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.byName[a.Experiment] = id
	return nil
}
