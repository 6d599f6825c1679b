package config

import (
	"strings"
	"unicode"
)

// Flags are the command line's values; an empty one was not given.
type Flags struct {
	Config  string // --config FILE
	Addr    string // --addr HOST:PORT
	Data    string // --data DIR
	Storage string // --storage URL
}

// Error is everything that is wrong with a configuration, one line a problem.
type Error struct{ Problems []string }

// Error returns the problems, a line each.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// loader carries one Load from step to step.
type loader struct {
	Config
	getenv   func(string) string
	readFile func(string) ([]byte, error)
	src      source
	origin   map[string]string // values that did not come from the file: path → flag or variable
	problems []string
}

// Load reads flags, environment (THUMBPRINT_*, then MLflow's own) and the file
// that --config or THUMBPRINT_CONFIG names, in that order of force, over the
// defaults. A failure is always an *Error.
func Load(flags Flags, getenv func(string) string, readFile func(string) ([]byte, error)) (Config, error) {
	l := &loader{getenv: getenv, readFile: readFile, origin: map[string]string{}}
	if path := first(flags.Config, getenv("THUMBPRINT_CONFIG")); path != "" {
		text, err := readFile(path)
		if err != nil {
			return Config{}, &Error{[]string{"cannot read the configuration: " + err.Error()}}
		}
		var problems []string
		if l.src, problems = decodeFile(path, text, &l.Config); len(problems) > 0 {
			return Config{}, &Error{problems}
		}
	}
	l.overlay(flags)
	l.server()
	l.storage()
	l.databricks()
	l.mlflow()
	l.retention()
	l.choices()
	l.agents()
	if len(l.problems) > 0 {
		return Config{}, &Error{l.problems}
	}
	return l.Config, nil
}

// overlay puts environment and flags over the file. One row a value.
func (l *loader) overlay(flags Flags) {
	storage := string(l.Storage.URL)
	wait := ""
	for _, v := range []struct {
		path, env, flag, given string
		to                     *string
	}{
		{"data", "THUMBPRINT_DATA", "--data", flags.Data, &l.DataDir},
		{"server.addr", "THUMBPRINT_ADDR", "--addr", flags.Addr, &l.Server.Addr},
		{"server.public_url", "THUMBPRINT_PUBLIC_URL", "", "", &l.Server.PublicURL},
		{"storage.url", "THUMBPRINT_STORAGE_URL", "--storage", flags.Storage, &storage},
		{"mlflow.tracking_uri", "THUMBPRINT_MLFLOW_TRACKING_URI", "", "", &l.MLflow.TrackingURI},
		{"auth.mode", "THUMBPRINT_AUTH_MODE", "", "", &l.Auth.Mode},
		{"feedback.wait", "THUMBPRINT_FEEDBACK_WAIT", "", "", &wait},
		{"log.level", "THUMBPRINT_LOG_LEVEL", "", "", &l.Log.Level},
		{"log.format", "THUMBPRINT_LOG_FORMAT", "", "", &l.Log.Format},
	} {
		if s := l.getenv(v.env); s != "" {
			*v.to, l.origin[v.path] = s, v.env
		}
		if v.given != "" {
			*v.to, l.origin[v.path] = v.given, v.flag
		}
	}
	l.Storage.URL = Secret(storage)
	l.parseWait(wait)
}

// given reports whether somebody said what the value at path is to be, be it
// nothing.
func (l *loader) given(path string) bool {
	if _, ok := l.origin[path]; ok {
		return true
	}
	_, ok := l.src.lines["$."+path]
	return ok
}

// bad notes a problem with the value at path, and where that value came from.
func (l *loader) bad(path, problem string) {
	where, ok := l.origin[path]
	if !ok {
		where = l.src.at(path)
	}
	if where == "" {
		where = "configuration"
	}
	l.problems = append(l.problems, where+": "+oneLine(problem))
}

// oneLine keeps what the file says from breaking the line, or the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
