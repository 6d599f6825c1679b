package telemetry

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestALogLineCannotBeForged(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, err := NewLogger(&out, "info", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("request", "path", "/a\n{\"level\":\"ERROR\"}\x1b[31m")
		if lines := strings.Count(out.String(), "\n"); lines != 1 {
			t.Errorf("%s: %d lines for one record: %q", format, lines, out.String())
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: a terminal escape went through: %q", format, out.String())
		}
	}
}

func TestLevel(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "warn", "text")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "loud") {
		t.Errorf("log at warn: %q", got)
	}
	if _, err := NewLogger(&out, "shout", "text"); err == nil {
		t.Error("an unknown level was accepted")
	}
}

func TestBuildOf(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26", Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}}
	info.Main.Version = "(devel)"
	if diff := cmp.Diff(Build{Version: "dev", Revision: "0123456789ab+", Go: "go1.26"}, buildOf(info)); diff != "" {
		t.Error(diff)
	}
	if got := buildOf(info).String(); got != "thumbprint dev 0123456789ab+ (go1.26)" {
		t.Errorf("String() = %q", got)
	}
}

func TestMetricsAreGathered(t *testing.T) {
	m := NewMetrics(Build{Version: "v1"})
	m.Request("GET /healthz", 200, time.Millisecond)
	m.Panic()
	m.Gauge("thumbprint_waiting", "Waiting.", func() float64 { return 7 })
	m.Counter("thumbprint_done_total", "Done.", func() float64 { return 3 })
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		switch v := f.GetMetric()[0]; {
		case v.GetGauge() != nil:
			got[f.GetName()] = v.GetGauge().GetValue()
		case v.GetCounter() != nil:
			got[f.GetName()] = v.GetCounter().GetValue()
		case v.GetHistogram() != nil:
			got[f.GetName()] = float64(v.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{"thumbprint_http_request_seconds": 1, "thumbprint_http_panics_total": 1,
		"thumbprint_waiting": 7, "thumbprint_done_total": 3, "thumbprint_build_info": 1} {
		if got[name] != want {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
}
