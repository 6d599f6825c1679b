package gateway

import "io"

// SetLiveBudget is for tests that would else need a lot of memory.
func (s *Service) SetLiveBudget(bytes int64) { s.live.budget = bytes }

// LiveBytes is what the streams of detached turns take.
func (s *Service) LiveBytes() int64 { return s.live.size.Load() }

// Keep stores the turn as one that ended properly with nothing said.
func (t *Turn) Keep() error {
	a := t.finish(newObserver(t.started), io.EOF)
	_, err := t.keep(a, t.complete(a))
	return err
}
