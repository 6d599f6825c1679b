package gateway

// SetLiveBudget is for tests that would else need a lot of memory.
func (s *Service) SetLiveBudget(bytes int64) { s.live.budget = bytes }

// LiveBytes is what the streams of detached turns take.
func (s *Service) LiveBytes() int64 { return s.live.size.Load() }
