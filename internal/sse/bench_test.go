package sse_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

const delta = `{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"word ","sequence_number":17,"obfuscation":"x8s7a6d5f4g3h2j1"}`

func stream() []byte { return []byte(strings.Repeat("data: "+delta+"\n\n", 20_000)) }

// BenchmarkReader and BenchmarkScanner read the same 20,000 delta events: the
// scanner only splits lines, and is what cannot be beaten.
func BenchmarkReader(b *testing.B) {
	in := stream()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r := sse.NewReader(bytes.NewReader(in), 1<<20)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

func BenchmarkScanner(b *testing.B) {
	in := stream()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		s := bufio.NewScanner(bytes.NewReader(in))
		for s.Scan() {
			_ = s.Bytes()
		}
	}
}

func BenchmarkWriterEvent(b *testing.B) {
	w := sse.NewWriter(discard{http.Header{}}, 0)
	data := []byte(delta)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Event(data); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header       { return d.h }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
func (discard) Flush()                      {}
