package mlflowtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// Exchange is one recorded request with its answer.
type Exchange struct {
	Step        string            `json:"step"` // what the recorded client was doing
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Query       string            `json:"query"`
	Headers     map[string]string `json:"headers"` // lower-case names
	Request     json.RawMessage   `json:"request"`
	Status      int               `json:"status"`
	ContentType string            `json:"content_type"`
	Response    json.RawMessage   `json:"response"`
	Cut         bool              `json:"cut"` // the answer was shortened
}

// Answer returns the recorded answer for a Server's script.
func (e Exchange) Answer() Answer {
	a := Answer{Status: e.Status, ContentType: e.ContentType, Body: string(e.Response)}
	var text string
	if json.Unmarshal(e.Response, &text) == nil { // a body that was no JSON is kept as a string
		a.Body = text
	}
	return a
}

// Exchanges reads a file of recorded exchanges, one JSON object a line.
func Exchanges(t testing.TB, path string) []Exchange {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := read(bufio.NewScanner(f))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return all
}

func read(sc *bufio.Scanner) ([]Exchange, error) {
	const maxLine = 1 << 20
	sc.Buffer(nil, maxLine)
	var all []Exchange
	for sc.Scan() {
		var e Exchange
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		all = append(all, e)
	}
	return all, sc.Err()
}
