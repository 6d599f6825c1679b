package gateway

import (
	"container/list"
	"sync"
	"sync/atomic"
)

const (
	// liveBudget is what the events of all detached turns may take of memory, in
	// bytes.
	liveBudget = 256 << 20
	// eventCost is what an event takes beside its text.
	eventCost = 64
)

// lives are the streams of the detached turns: those that run, and those that
// have ended a moment ago. Together they remember no more than the budget: over
// it streams are forgotten, first those that have ended, the oldest first, then
// the longest of those that run. Of a forgotten stream nothing is lost but the
// reading along, for the answer is stored: its readers' streams end without
// thumbprint.done, and who joins again gets what is stored.
type lives struct {
	budget int64
	size   atomic.Int64 // of all streams that are not forgotten, in bytes

	mu    sync.Mutex
	byID  map[string]*Live // by message id; guarded by mu
	ended *list.List       // of *Live, the oldest first; guarded by mu
}

func newLives() *lives {
	return &lives{budget: liveBudget, byID: map[string]*Live{}, ended: list.New()}
}

func (ls *lives) get(messageID string) (*Live, bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, ok := ls.byID[messageID]
	return l, ok
}

func (ls *lives) add(l *Live) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.in = ls
	ls.byID[l.messageID] = l
}

// end makes l one of those that are forgotten first.
func (ls *lives) end(l *Live) {
	l.end()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.byID[l.messageID] == l {
		l.place = ls.ended.PushBack(l)
	}
}

// expire takes l out. Who reads it already may read on.
func (ls *lives) expire(l *Live) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.byID[l.messageID] == l {
		ls.remove(l)
		l.release()
	}
}

// remove wants mu held.
func (ls *lives) remove(l *Live) {
	delete(ls.byID, l.messageID)
	if l.place != nil {
		ls.ended.Remove(l.place)
	}
}

// trim forgets streams until the others are within the budget.
func (ls *lives) trim() {
	if ls.size.Load() <= ls.budget {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for ls.size.Load() > ls.budget {
		l := ls.least()
		if l == nil {
			return
		}
		ls.remove(l)
		l.forget()
	}
}

// least is the stream that is missed least. It wants mu held.
func (ls *lives) least() *Live {
	if e := ls.ended.Front(); e != nil {
		return e.Value.(*Live)
	}
	var longest *Live
	most := 0
	for _, l := range ls.byID {
		if n := l.bytes(); longest == nil || n > most {
			longest, most = l, n
		}
	}
	return longest
}
