package tracestore

import (
	"database/sql"
	"encoding/json"
	"math"
	"strconv"
)

// usage is what a span or a trace has used: tokens and money.
type usage struct {
	tokens map[string]int64
	cost   map[string]float64
}

// The keys of token usage and of cost, in the order of their columns.
func tokenKeys() [6]string {
	return [6]string{"input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens",
		"cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr"}
}

func costKeys() [3]string { return [3]string{"input_cost", "output_cost", "total_cost"} }

func (u usage) token(i int) sql.NullInt64 {
	n, ok := u.tokens[tokenKeys()[i]]
	return sql.NullInt64{Int64: n, Valid: ok}
}

func (u usage) price(i int) sql.NullFloat64 {
	f, ok := u.cost[costKeys()[i]]
	return sql.NullFloat64{Float64: f, Valid: ok}
}

func usageOf(tokens [6]sql.NullInt64, costs [3]sql.NullFloat64) usage {
	u := usage{tokens: map[string]int64{}, cost: map[string]float64{}}
	for i, k := range tokenKeys() {
		if tokens[i].Valid {
			u.tokens[k] = tokens[i].Int64
		}
	}
	for i, k := range costKeys() {
		if costs[i].Valid {
			u.cost[k] = costs[i].Float64
		}
	}
	return u
}

// merge takes the tokens and the cost of n, each as a whole, where n has any.
func (u *usage) merge(n usage) {
	if len(n.tokens) > 0 {
		u.tokens = n.tokens
	}
	if len(n.cost) > 0 {
		u.cost = n.cost
	}
}

// parseTokens reads the known keys of a token usage object. What is not a whole
// number is left out; nil when nothing is known.
func parseTokens(raw []byte) map[string]int64 {
	var out map[string]int64
	for k, v := range knownNumbers(raw, tokenKeys()) {
		if v != math.Trunc(v) || math.Abs(v) >= 1<<63 {
			continue
		}
		if out == nil {
			out = map[string]int64{}
		}
		out[k] = int64(v)
	}
	return out
}

// parseCost reads the known keys of a cost object.
func parseCost(raw []byte) map[string]float64 {
	out := knownNumbers(raw, costKeys())
	if len(out) == 0 {
		return nil
	}
	return out
}

func knownNumbers[A [6]string | [3]string](raw []byte, keys A) map[string]float64 {
	var values map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &values) != nil {
		return nil
	}
	out := map[string]float64{}
	for i := range len(keys) {
		text := plainText(values[keys[i]])
		if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			out[keys[i]] = f
		}
	}
	return out
}

// tokenText returns the tokens as the JSON that MLflow keeps in metadata.
func (u usage) tokenText() string {
	var out []byte
	for _, k := range tokenKeys() {
		if n, ok := u.tokens[k]; ok {
			out = strconv.AppendInt(appendKey(out, k), n, 10)
		}
	}
	return closeObject(out)
}

func (u usage) costText() string {
	var out []byte
	for _, k := range costKeys() {
		if f, ok := u.cost[k]; ok {
			out = AppendDouble(appendKey(out, k), f)
		}
	}
	return closeObject(out)
}

func appendKey(dst []byte, key string) []byte {
	if dst == nil {
		dst = append(dst, '{')
	} else {
		dst = append(dst, ", "...)
	}
	return append(AppendString(dst, key), ": "...)
}

func closeObject(b []byte) string {
	if b == nil {
		return ""
	}
	return string(append(b, '}'))
}

// usageNode is a span's place in the tree and what it says it used.
type usageNode struct {
	id, parent string
	usage      usage
}

// total sums over the tree. A span that says what it used speaks for everything
// below it, because many frameworks put sums on parents; tokens and cost are
// decided apart. The first three token counts are then always present.
func total(nodes []usageNode) usage {
	tokens, cost := tokenKeys(), costKeys()
	return usage{
		tokens: sumTree(nodes, func(n usageNode) map[string]int64 { return n.usage.tokens }, tokens[:3]),
		cost:   sumTree(nodes, func(n usageNode) map[string]float64 { return n.usage.cost }, cost[:]),
	}
}

func sumTree[N int64 | float64](nodes []usageNode, data func(usageNode) map[string]N, always []string) map[string]N {
	known := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		known[n.id] = true
	}
	children := map[string][]usageNode{}
	var stack []usageNode
	for _, n := range nodes {
		if n.parent != "" && known[n.parent] {
			children[n.parent] = append(children[n.parent], n)
		} else {
			stack = append(stack, n)
		}
	}
	var sum map[string]N
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if d := data(n); d != nil {
			if sum == nil {
				sum = map[string]N{}
				for _, k := range always {
					sum[k] = 0
				}
			}
			for k, v := range d {
				sum[k] += v
			}
			continue // its children are part of what it said
		}
		stack = append(stack, children[n.id]...)
	}
	return sum
}
