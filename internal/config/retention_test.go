package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/config"
)

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	age := func(d time.Duration) config.Age { return config.Age{Duration: d} }
	for text, want := range map[string]config.Retention{
		"": {},
		"retention: {conversations: 365d, traces: 90d}":            {Conversations: age(365 * day), Traces: age(90 * day)},
		"retention: {traces: 12h, traces_per_experiment: 1000000}": {Traces: age(12 * time.Hour), TracesPerExperiment: 1_000_000},
	} {
		cfg, err := load(config.Flags{}, nil, text)
		if diff := cmp.Diff(want, cfg.Retention); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	cfg, err := load(config.Flags{}, nil, "retention: {traces: 90d}\nmlflow: {tracking_uri: http://mlflow.example.com}")
	if err != nil || len(cfg.Notices) != 1 {
		t.Errorf("elsewhere: %q, %v", cfg.Notices, err)
	}
}
