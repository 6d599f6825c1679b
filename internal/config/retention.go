package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Retention says how long our own store keeps things. What is zero is kept for
// ever.
type Retention struct {
	Conversations       Age `yaml:"conversations"`         // since something was last said in it
	Traces              Age `yaml:"traces"`                // since the request
	TracesPerExperiment int `yaml:"traces_per_experiment"` // the newest
}

// Age is a time span of days or hours: 90d, 12h.
type Age struct{ time.Duration }

// UnmarshalYAML reads "90d"; a bare number is refused, because nobody can say
// of what.
func (a *Age) UnmarshalYAML(n ast.Node) error {
	v, err := parseAge(n.GetToken().Value)
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: n.GetToken()}
	}
	a.Duration = v
	return nil
}

// maxAgeDays keeps an age within what a time.Duration holds.
const maxAgeDays = 36_500

func parseAge(text string) (time.Duration, error) {
	unit := time.Hour
	number, ok := strings.CutSuffix(text, "h")
	if !ok {
		unit = 24 * time.Hour
		number, ok = strings.CutSuffix(text, "d")
	}
	n, err := strconv.Atoi(number)
	if err != nil || !ok || n < 1 || time.Duration(n) > maxAgeDays*24*time.Hour/unit {
		return 0, fmt.Errorf("%q is not an age; write days or hours, such as 90d or 12h", text)
	}
	return time.Duration(n) * unit, nil
}

func (l *loader) retention() {
	if l.Retention.TracesPerExperiment < 0 {
		l.bad("retention.traces_per_experiment", "retention.traces_per_experiment must be at least 1; leave it out to keep all")
	}
	if (l.Retention.Traces.Duration > 0 || l.Retention.TracesPerExperiment > 0) && !l.MLflow.IsEmbedded() {
		l.Notices = append(l.Notices, "retention of traces concerns the embedded store only: "+l.MLflow.TrackingURI+" keeps its own")
	}
}
