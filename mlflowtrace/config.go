package mlflowtrace

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Config says where traces go and what may be spent on them. One of Experiment and
// ExperimentID is needed; every other field has a default.
type Config struct {
	Experiment   string // name; made when it is missing
	ExperimentID string // decimal
	// EarlyRegister tells MLflow of a trace when it begins, so that feedback and
	// searches find it while it runs. It costs one request a trace. It does nothing on
	// Databricks, where what is told first may stay.
	EarlyRegister bool
	// ServiceName, when set, becomes the trace tag service.name.
	ServiceName string
	// Sampler decides which traces are made. The default makes all, but follows
	// the caller's decision in a traceparent.
	Sampler sdktrace.Sampler
	// SetGlobal makes New set OpenTelemetry's global TracerProvider and propagator,
	// for instrumentation libraries that know no other. The default is not to.
	SetGlobal bool

	MaxTraces int           // held at a time, running or waiting to be sent; 0 = 1000
	MaxSpans  int           // of one trace; 0 = 10,000
	MaxBytes  int           // held in ended spans, about; 0 = 256 MiB
	Workers   int           // traces sent at a time; 0 = 4
	RetryFor  time.Duration // how long a failing request is repeated; 0 = 5 min

	// Logger gets a warning for what is lost, at most one a second. The default
	// discards it.
	Logger *slog.Logger
	// OnDrop is called for each loss, from any goroutine; it must not block.
	OnDrop func(Drop)
}

// Drop is something that will not reach MLflow.
type Drop struct {
	TraceID string // "" when it was not one trace's
	Spans   int    // how many spans were lost; 0 when the description was
	Err     error  // ErrFull, ErrUnfinished, or what MLflow answered last
}

// Why traces are dropped without having been refused by MLflow.
var (
	ErrFull       = errors.New("mlflowtrace: too many traces or spans are held")
	ErrUnfinished = errors.New("mlflowtrace: the trace had not ended at shutdown")
)

// Stats counts since the start.
type Stats struct {
	Traces       uint64 // that MLflow has whole
	Spans        uint64 // that MLflow has
	Dropped      uint64 // traces that were lost whole or in part
	DroppedSpans uint64
	Retries      uint64 // requests that were made again
	Held         int    // traces in memory now
	HeldBytes    int    // of their ended spans, about
}

func (c Config) withDefaults() (Config, error) {
	if c.Experiment != "" && c.ExperimentID != "" {
		return c, fmt.Errorf("mlflowtrace: both Experiment %q and ExperimentID %q: %w", c.Experiment, c.ExperimentID, mlflow.ErrInvalid)
	}
	if c.Experiment == "" && c.ExperimentID == "" {
		return c, fmt.Errorf("mlflowtrace: no experiment: %w", mlflow.ErrInvalid)
	}
	if c.MaxTraces < 0 || c.MaxSpans < 0 || c.MaxBytes < 0 || c.Workers < 0 || c.RetryFor < 0 {
		return c, fmt.Errorf("mlflowtrace: a limit is negative: %w", mlflow.ErrInvalid)
	}
	c.MaxTraces = cmp.Or(c.MaxTraces, 1000)
	c.MaxSpans = cmp.Or(c.MaxSpans, 10_000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 256<<20)
	c.Workers = cmp.Or(c.Workers, 4)
	c.RetryFor = cmp.Or(c.RetryFor, 5*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Sampler == nil {
		c.Sampler = sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
	return c, nil
}

// processMetadata says who made a trace, in the words of MLflow's Python client
// (mlflow/tracking/context), for the columns Source and User of its UI.
func processMetadata() map[string]string {
	m := map[string]string{
		mlflow.MetadataSchemaVersion: "3",
		"mlflow.source.name":         filepath.Base(os.Args[0]),
		"mlflow.source.type":         "LOCAL",
	}
	if u, err := user.Current(); err == nil {
		m["mlflow.user"] = u.Username
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				m["mlflow.source.git.commit"] = s.Value
			}
		}
	}
	return m
}
