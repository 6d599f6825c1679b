package responses

import (
	"hash/maphash"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// sent is the finished items of a stream so far: by their name, the hash of each.
// Agents that work in several hands (langgraph's supervisor, by MLflow's converter) say
// what was said before once more, byte for byte.
type sent map[string]map[uint64]struct{}

// again notes an item that is finished, and reports whether it was sent before. One
// without a name may be another that says the same.
func (s *sent) again(item gjson.Result) bool {
	kind, name, callID := item.Get("type").Str, item.Get("id").Str, item.Get("call_id").Str
	if name == "" && strings.HasSuffix(kind, "_output") {
		name = callID // outputs have no id of their own
	}
	hash := maphash.String(seed, item.Raw)
	if _, again := (*s)[name][hash]; again {
		return true
	}
	if strings.HasSuffix(kind, "_call") {
		delete(*s, callID) // what it returns is new, whatever it is
	}
	if name == "" || name == vocab.FakeID {
		return false
	}
	if *s == nil {
		*s = sent{}
	}
	if (*s)[name] == nil {
		(*s)[name] = map[uint64]struct{}{}
	}
	(*s)[strings.Clone(name)][hash] = struct{}{}
	return false
}

// renew takes a delta: its item is one that is not finished.
func (s *sent) renew(delta []byte) {
	if len(*s) > 0 {
		delete(*s, gjson.GetBytes(delta, "item_id").Str)
	}
}
