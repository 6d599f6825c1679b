package sse_test

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

// byTheBook interprets a whole stream by following the standard's text step by
// step, with no thought for speed or memory. It is what the Reader is compared
// with.
func byTheBook(in string) (events []got, cut bool) {
	in = strings.TrimPrefix(in, "\ufeff")
	in = strings.ReplaceAll(in, "\r\n", "\n")
	in = strings.ReplaceAll(in, "\r", "\n")
	lines := strings.Split(in, "\n")
	rest := lines[len(lines)-1] // not ended
	var data, kind, id, lastID string
	open := false
	for _, line := range lines[:len(lines)-1] {
		if line == "" {
			lastID = id
			if data != "" {
				events = append(events, got{kind, strings.TrimSuffix(data, "\n"), lastID})
			}
			data, kind, open = "", "", false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if name != "" {
			open = true
		}
		switch name {
		case "data":
			data += value + "\n"
		case "event":
			kind = value
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		}
	}
	return events, open || rest != "" && rest[0] != ':'
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"", "data: a\n\n", "\ufeffdata: a\r\rdata: b\r\n\r\n", "event: x\nid: 1\ndata: {}\ndata\n\n: c\n\nid:\x00\ndata:",
		"data: a\r", "data: a\r\n\r", "\r\n\r\n\n\rdata:a\n\n", "id: 3\n\ndata: b\n\n", "retry: 5\n\n\xef\xbbdata: a\n\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		want, cut := byTheBook(in)
		wantErr := io.EOF
		if cut {
			wantErr = io.ErrUnexpectedEOF
		}
		for way, src := range map[string]io.Reader{
			"at once":      strings.NewReader(in),
			"byte by byte": iotest.OneByteReader(strings.NewReader(in)),
			"halves":       iotest.HalfReader(strings.NewReader(in)),
		} {
			events, _, err := readAll(src, 1<<20)
			if err != wantErr {
				t.Errorf("%s: error = %v, want %v", way, err, wantErr)
			}
			if d := cmp.Diff(want, events); d != "" {
				t.Errorf("%s (-by the book +read):\n%s", way, d)
			}
		}
		for i := range len(in) {
			src := io.MultiReader(strings.NewReader(in[:i]), strings.NewReader(in[i:]))
			if events, _, err := readAll(src, 1<<20); err != wantErr || !cmp.Equal(want, events) {
				t.Errorf("split at %d: %v, %v", i, events, err)
			}
		}
		limited(t, in)
	})
}

// limited checks that a small limit gives the same result however the bytes
// come, and that nothing larger than the limit is ever given.
func limited(t *testing.T, in string) {
	const limit = 16
	whole, _, wholeErr := readAll(strings.NewReader(in), limit)
	bytewise, _, bytewiseErr := readAll(iotest.OneByteReader(strings.NewReader(in)), limit)
	if !cmp.Equal(whole, bytewise) || !errors.Is(bytewiseErr, wholeErr) {
		t.Errorf("limit %d: at once %v, %v; byte by byte %v, %v", limit, whole, wholeErr, bytewise, bytewiseErr)
	}
	for _, e := range whole {
		if len(e.Data) > limit {
			t.Errorf("event of %d bytes is over the limit", len(e.Data))
		}
	}
}

// FuzzWriter checks that whatever is written comes back as exactly one event.
func FuzzWriter(f *testing.F) {
	f.Add("ping", "1", []byte("a"))
	f.Add("", "", []byte("a\r\nb\rc\n\nevent: evil"))
	f.Add("x\ndata: evil", "1", []byte{})
	f.Add("x", "1\x00", []byte("\n"))
	f.Fuzz(func(t *testing.T, kind, id string, data []byte) {
		rec := httptest.NewRecorder()
		w := sse.NewWriter(rec, 0)
		err := w.Write(sse.Event{Type: kind, ID: id, Data: data})
		if err != nil {
			if rec.Body.Len() > 0 {
				t.Fatalf("refused with %v, but wrote %q", err, rec.Body)
			}
			return
		}
		lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
		events, _, err := readAll(bytes.NewReader(rec.Body.Bytes()), 1<<20)
		if d := cmp.Diff([]got{{kind, lines, id}}, events); d != "" || err != io.EOF {
			t.Errorf("%v (-written +read):\n%s", err, d)
		}
	})
}
