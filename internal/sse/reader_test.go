package sse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

// got is an event with its data kept beyond the next call of Next.
type got struct{ Type, Data, ID string }

// readAll returns all events of src, the event given with the error, and it.
func readAll(src io.Reader, limit int) (events []got, last got, err error) {
	r := sse.NewReader(src, limit)
	for {
		ev, err := r.Next()
		g := got{ev.Type, string(ev.Data), ev.ID}
		if err != nil {
			return events, g, err
		}
		events = append(events, g)
	}
}

func TestReader(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []got
		last got
		err  error
	}{
		"nothing":                {in: "", err: io.EOF},
		"one event":              {in: "data: a\n\n", want: []got{{Data: "a"}}, err: io.EOF},
		"CRLF":                   {in: "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", want: []got{{Data: "a\nb"}, {Data: "c"}}, err: io.EOF},
		"lone CR":                {in: "data: a\rdata: b\r\rdata: c\r\r", want: []got{{Data: "a\nb"}, {Data: "c"}}, err: io.EOF},
		"mixed line ends":        {in: "data: a\r\n\ndata: b\n\r\ndata: c\r\rdata: d\n\n", want: []got{{Data: "a"}, {Data: "b"}, {Data: "c"}, {Data: "d"}}, err: io.EOF},
		"BOM":                    {in: "\ufeffdata: a\n\n", want: []got{{Data: "a"}}, err: io.EOF},
		"BOM only at the start":  {in: "data: a\n\n\ufeffdata: b\n\n", want: []got{{Data: "a"}}, err: io.EOF},
		"BOM alone":              {in: "\ufeff", err: io.EOF},
		"comments":               {in: ": hi\n\n:\ndata: a\n: in between\ndata: b\n\n: end", want: []got{{Data: "a\nb"}}, err: io.EOF},
		"one space is eaten":     {in: "data:a\n\ndata: a\n\ndata:  a\n\n", want: []got{{Data: "a"}, {Data: "a"}, {Data: " a"}}, err: io.EOF},
		"tab is not":             {in: "data:\ta\n\n", want: []got{{Data: "\ta"}}, err: io.EOF},
		"field without colon":    {in: "data\n\ndata\ndata\n\n", want: []got{{Data: ""}, {Data: "\n"}}, err: io.EOF},
		"type":                   {in: "event: ping\ndata: a\n\ndata: b\n\n", want: []got{{Type: "ping", Data: "a"}, {Data: "b"}}, err: io.EOF},
		"type without data":      {in: "event: ping\n\ndata: b\n\n", want: []got{{Data: "b"}}, err: io.EOF},
		"id stays":               {in: "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", want: []got{{ID: "1", Data: "a"}, {ID: "1", Data: "b"}, {Data: "c"}}, err: io.EOF},
		"id without data counts": {in: "id: 7\n\ndata: b\n\n", want: []got{{ID: "7", Data: "b"}}, err: io.EOF},
		"id with NUL is ignored": {in: "id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", want: []got{{ID: "1", Data: "a"}, {ID: "1", Data: "b"}}, err: io.EOF},
		"unknown fields":         {in: "retry: 10\nDATA: x\n data: y\ndata : z\ndata: a\n\n", want: []got{{Data: "a"}}, err: io.EOF},
		"colons in data":         {in: "data: a: b:c\n\n", want: []got{{Data: "a: b:c"}}, err: io.EOF},
		"data: in data":          {in: "data: data: a\n\n", want: []got{{Data: "data: a"}}, err: io.EOF},
		"U+2028 ends no line":    {in: "data: a\u2028b\u0085c\n\n", want: []got{{Data: "a\u2028b\u0085c"}}, err: io.EOF},
		"bytes that are not UTF-8": {
			in: "data: \xff\xfe\n\n", want: []got{{Data: "\xff\xfe"}}, err: io.EOF,
		},
		"cut before the empty line":  {in: "data: a\n\ndata: b\n", want: []got{{Data: "a"}}, last: got{Data: "b"}, err: io.ErrUnexpectedEOF},
		"cut inside a line":          {in: "data: a\n\nevent: x\ndata: b", want: []got{{Data: "a"}}, last: got{Type: "x", Data: "b"}, err: io.ErrUnexpectedEOF},
		"cut inside a field name":    {in: "dat", err: io.ErrUnexpectedEOF},
		"cut after a type":           {in: "event: x\n", last: got{Type: "x"}, err: io.ErrUnexpectedEOF},
		"cut inside the second line": {in: "data: a\ndata: b", last: got{Data: "a\nb"}, err: io.ErrUnexpectedEOF},
		"cut in the BOM's line":      {in: "\ufeffdata: a", last: got{Data: "a"}, err: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			for way, src := range map[string]io.Reader{
				"at once":         strings.NewReader(tc.in),
				"byte by byte":    iotest.OneByteReader(strings.NewReader(tc.in)),
				"error with data": iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				events, last, err := readAll(src, 1<<20)
				if err != tc.err {
					t.Errorf("%s: error = %v, want %v", way, err, tc.err)
				}
				if d := cmp.Diff(tc.want, events); d != "" {
					t.Errorf("%s: events (-want +got):\n%s", way, d)
				}
				if d := cmp.Diff(tc.last, last); d != "" {
					t.Errorf("%s: cut event (-want +got):\n%s", way, d)
				}
			}
		})
	}
}

// What servers write beside the fields is kept for who wants to know, within bounds.
func TestReaderStray(t *testing.T) {
	for name, tc := range map[string]struct {
		in    string
		calls int // of Next
		want  string
	}{
		"fields only":         {": c\nid: 1\nretry: 5\nevent: x\ndata: a\n\n", 1, ""},
		"another field":       {"error: x\n\ndata: a\n\n", 1, "error: x\n"},
		"of an event before":  {"error: x\ndata: a\n\ndata: b\n\n", 2, ""},
		"JSON":                {"{\r\n\"a\": 1\r\n}", 1, "{\n\"a\": 1\n}\n"},
		"after the end":       {"error: x\n\n", 2, "error: x\n"},
		"many lines":          {strings.Repeat("abc\n", 5000), 1, strings.Repeat("abc\n", 1024)},
		"a line that is long": {strings.Repeat("x", 5000) + "\ny\n", 1, "y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := sse.NewReader(iotest.OneByteReader(strings.NewReader(tc.in)), 1<<20)
			for range tc.calls {
				_, _ = r.Next()
			}
			if got := string(r.Stray()); got != tc.want {
				t.Errorf("Stray() = %q, want %q", got, tc.want)
			}
		})
	}
}

// An event must be given when its empty line is there, not when the byte after
// a CR shows whether it was a CRLF: that byte may come minutes later.
func TestReaderDoesNotWaitForTheByteAfterCR(t *testing.T) {
	pr, pw := io.Pipe()
	r := sse.NewReader(pr, 1<<20)
	go func() {
		_, _ = pw.Write([]byte("data: a\r\r")) // returns once read; nothing follows
	}()
	ev, err := r.Next()
	if err != nil || string(ev.Data) != "a" {
		t.Fatalf("Next() = %q, %v", ev.Data, err)
	}
	_ = pw.Close()
}

func TestReaderLimit(t *testing.T) {
	big := strings.Repeat("x", 1000)
	for name, tc := range map[string]struct {
		in   string
		want int
		err  error
	}{
		"at the limit":                    {"data: " + big[:94] + "\n\ndata: b\n\n", 2, io.EOF},
		"one over":                        {"data: b\n\ndata: " + big[:95] + "\n\n", 1, sse.ErrEventTooLarge},
		"endless line":                    {"data: " + big, 0, sse.ErrEventTooLarge},
		"endless comment":                 {": " + big, 0, sse.ErrEventTooLarge},
		"many lines":                      {strings.Repeat("data: abc\n", 20), 0, sse.ErrEventTooLarge},
		"many comments inside":            {"data: a\n" + strings.Repeat(": abc\n", 20), 0, sse.ErrEventTooLarge},
		"many comments between are fine":  {strings.Repeat(": abc\n", 200) + "data: a\n\n", 1, io.EOF},
		"many blocks without data":        {strings.Repeat("id: 1\n\n", 200) + "data: a\n\n", 1, io.EOF},
		"many empty lines are fine, CRLF": {strings.Repeat("\r\n", 200) + "data: a\n\n", 1, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			for way, src := range map[string]io.Reader{
				"at once":      strings.NewReader(tc.in),
				"byte by byte": iotest.OneByteReader(strings.NewReader(tc.in)),
			} {
				events, _, err := readAll(src, 100)
				if !errors.Is(err, tc.err) || len(events) != tc.want {
					t.Errorf("%s: %d events, %v; want %d, %v", way, len(events), err, tc.want, tc.err)
				}
			}
		})
	}
}

// bufio.Scanner, the usual choice, gives up at 64 KiB.
func TestReaderTakesLongLines(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	in := "data: a\n\ndata: " + long + "\n\ndata: b\ndata: " + long + "\n\ndata: c\n\n"
	events, _, err := readAll(strings.NewReader(in), 16<<20)
	if err != io.EOF {
		t.Fatal(err)
	}
	if d := cmp.Diff([]got{{Data: "a"}, {Data: long}, {Data: "b\n" + long}, {Data: "c"}}, events); d != "" {
		t.Error(d)
	}
}

func TestReaderReportsTheSourcesError(t *testing.T) {
	boom := errors.New("boom")
	r := sse.NewReader(io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(boom)), 1<<20)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time as well
		if _, err := r.Next(); !errors.Is(err, boom) {
			t.Errorf("Next() error = %v, want it to wrap %v", err, boom)
		}
	}
	if _, err := sse.NewReader(stuck{}, 1<<20).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that gives nothing for ever: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReaderGivesBackALargeBuffer(t *testing.T) {
	in := "data: " + strings.Repeat("x", 1<<20) + "\n\n" + strings.Repeat("data: a\n\n", 10_000)
	src := &sizes{r: strings.NewReader(in)}
	if _, _, err := readAll(src, 16<<20); err != io.EOF {
		t.Fatal(err)
	}
	if src.last > 64<<10 {
		t.Errorf("the last read asked for %d bytes: the buffer of the large event is still held", src.last)
	}
}

// sizes notes how much was asked for by the last Read.
type sizes struct {
	r    io.Reader
	last int
}

func (s *sizes) Read(p []byte) (int, error) {
	s.last = len(p)
	return s.r.Read(p)
}

func TestReaderDoesNotAllocatePerEvent(t *testing.T) {
	one := `data: {"type":"response.output_text.delta","item_id":"msg_1","delta":"word "}` + "\n\n"
	in := []byte(strings.Repeat(one, 1000))
	allocs := testing.AllocsPerRun(10, func() {
		r := sse.NewReader(bytes.NewReader(in), 1<<20)
		for {
			if _, err := r.Next(); err != nil {
				return
			}
		}
	})
	if allocs > 10 {
		t.Errorf("%v allocations for 1000 events, want a handful for the stream", allocs)
	}
}
