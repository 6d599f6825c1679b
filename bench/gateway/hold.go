package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostKB    = 64    // that one of the streams held at the limit may take
	mostTurns = 9_000 // that Thumbprint has open, unless it is told otherwise
	holding   = 6 * time.Second
)

// hold opens more and more streams that do not end and reads how much memory
// the process in between takes for one.
func (b *bench) hold(ctx context.Context) error {
	head := []string{}
	for _, n := range b.held {
		head = append(head, fmt.Sprintf("kB each at %d", n))
	}
	t := newTable("streams held open, a piece each 3 s", append(head, "errors")...)
	var failed error
	for _, w := range b.ways[1:] {
		if w.process == b.parts.durable || w.process == b.parts.thumbprint && w.name != "+ question and answer stored" {
			continue // the others hold the same
		}
		cells, errors, err := b.holdThrough(ctx, w)
		if err != nil {
			failed = err
		}
		t.row("through "+w.process.name, append(cells, fmt.Sprint(errors))...)
	}
	t.print()
	fmt.Println("Memory is the process's proportional share (PSS) above what it took before the first stream.")
	return failed
}

func (b *bench) holdThrough(ctx context.Context, w *way) (cells []string, errs int64, err error) {
	ctx, release := context.WithCancel(ctx)
	defer func() {
		release()
		w.process.settle()
	}()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	w.process.settle()
	before, open := w.process.memory(), 0
	var bad atomic.Int64
	for _, n := range b.held {
		b.open(ctx, w, client, n-open, &bad)
		open = n
		time.Sleep(holding)
		each := float64(w.process.memory()-before) / 1000 / float64(n)
		cells = append(cells, fmt.Sprintf("%.1f", each))
		if w.process == b.parts.thumbprint && n == mostTurns && each > mostKB {
			err = fmt.Errorf("%d held streams take %.1f kB each; %d is the most", n, each, mostKB)
		}
	}
	if w.process == b.parts.thumbprint {
		if open == mostTurns {
			err = errors.Join(err, b.oneTooMany(ctx, w, client))
		}
		if bad.Load() > 0 {
			err = errors.Join(err, fmt.Errorf("%d of %d held streams broke", bad.Load(), open))
		}
	}
	return cells, bad.Load(), err
}

// open opens n streams and returns when each has said something. They are read
// until ctx ends.
func (b *bench) open(ctx context.Context, w *way, client *http.Client, n int, bad *atomic.Int64) {
	var begun sync.WaitGroup
	slots := make(chan struct{}, 64) // so that nobody's queue of connections is too short
	for range n {
		begun.Add(1)
		slots <- struct{}{}
		go func() {
			began := sync.OnceFunc(func() { begun.Done(); <-slots })
			defer began()
			if err := w.listen(ctx, client, began); err != nil && ctx.Err() == nil {
				bad.Add(1)
			}
		}()
	}
	begun.Wait()
}

// listen reads a stream that has no end.
func (w *way) listen(ctx context.Context, client *http.Client, began func()) error {
	resp, err := w.post(ctx, client, w.url("slow"), w.body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 512)
	for {
		line, err := lines.ReadSlice('\n')
		if bytes.Contains(line, []byte("output_text.delta")) {
			began()
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("HTTP %d: %w", resp.StatusCode, err)
		}
	}
}

// oneTooMany says what becomes of one stream more than Thumbprint has open.
func (b *bench) oneTooMany(ctx context.Context, w *way, client *http.Client) error {
	resp, err := w.post(ctx, client, w.url("fast"), w.body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	fmt.Printf("One stream more than %d: HTTP %d, Retry-After %s.\n", mostTurns, resp.StatusCode, resp.Header.Get("Retry-After"))
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		return errors.Join(fmt.Errorf("one stream too many is answered with HTTP %d: %s", resp.StatusCode, said), err)
	}
	return err
}
