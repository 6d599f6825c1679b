// Package telemetry is how the process tells about itself: its log, its build
// and its metrics.
//
// The invariant: what is told is about our work and never about people's text.
// No body, token, question or answer is a log attribute or a metric label.
//
// It serves nothing over HTTP; app mounts the registry.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewLogger returns a logger that writes to w. level is debug, info, warn or
// error; format is text or json. Both handlers escape line ends and control
// characters, so nothing a caller sends can forge a line.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	opts := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}

// Build says which program this is.
type Build struct {
	Version  string // module version, or "dev"
	Revision string // commit, "" when unknown; "+" at the end when modified
	Go       string // toolchain
}

// String returns e.g. "thumbprint dev 1a2b3c4d5e6f (go1.26.8)".
func (b Build) String() string {
	s := "thumbprint " + b.Version
	if b.Revision != "" {
		s += " " + b.Revision
	}
	return s + " (" + b.Go + ")"
}

// ReadBuild returns what the linker put into this binary.
func ReadBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Version: "dev"}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "dev"
	}
	modified := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+"
			}
		}
	}
	if b.Revision != "" {
		b.Revision += modified
	}
	return b
}

// Metrics is the process's registry with the metrics every server has. Rooms
// that count for themselves are added with Gauge and Counter, so that they need
// not know Prometheus.
type Metrics struct {
	Registry *prometheus.Registry

	requests *prometheus.HistogramVec
	panics   prometheus.Counter
}

// NewMetrics returns a registry with Go's, the process's and HTTP's metrics.
func NewMetrics(b Build) *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "thumbprint_http_request_seconds",
			Help:    "Time from a request's arrival to the end of its answer, streams included.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60, 600},
		}, []string{"route", "status"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "thumbprint_http_panics_total", Help: "Handlers that panicked and were recovered.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "thumbprint_build_info", Help: "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go": b.Go},
	})
	build.Set(1)
	m.Registry.MustRegister(m.requests, m.panics, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts one answered request. route must come from a bounded set.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Panic counts a recovered panic.
func (m *Metrics) Panic() { m.panics.Inc() }

// Gauge registers a value that is asked for at each scrape.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Counter registers a count that only grows and is asked for at each scrape.
func (m *Metrics) Counter(name, help string, value func() float64) {
	m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}
