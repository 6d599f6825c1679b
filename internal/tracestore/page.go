package tracestore

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/filter"
)

// sortTerm is one expression of an ORDER BY, never NULL: a nullable one is
// preceded by a term that says whether it is, and has a stand-in itself.
type sortTerm struct {
	expr string // SQL over traces t
	desc bool
	text bool // a text, else an integer
}

// traceOrder returns the terms of a search's order. The last two make it total:
// newest first, then by id. narrow says that the filter names few traces.
func traceOrder(b *filter.Builder, orderBy []string, narrow bool) ([]sortTerm, error) {
	order, err := filter.ParseTraceOrder(orderBy)
	if err != nil {
		return nil, err
	}
	var terms []sortTerm
	byTime, byID := false, false
	for _, o := range order {
		if o.Entity == filter.Metadata && (o.Key == MetaTokenUsage || o.Key == MetaCost) {
			return nil, invalid("Ordering by reserved metadata '%s' is not supported because it is represented by multiple columns.", o.Key)
		}
		expr, text, nullable := sortExpr(b, o)
		if nullable {
			standIn := "0"
			if text {
				standIn = "''"
			}
			terms = append(terms, sortTerm{expr: "CASE WHEN " + expr + " IS NULL THEN 1 ELSE 0 END"})
			expr = "COALESCE(" + expr + ", " + standIn + ")"
		}
		terms = append(terms, sortTerm{expr: expr, desc: o.Desc, text: text})
		byTime = byTime || o.Entity == filter.Attribute && o.Key == "timestamp_ms"
		byID = byID || o.Entity == filter.Attribute && o.Key == "request_id"
	}
	if !byTime {
		expr := "t.request_time"
		if narrow {
			// The plus keeps the planners from walking the whole experiment in
			// the order of time instead of looking up the few and sorting them.
			expr = "+t.request_time"
		}
		terms = append(terms, sortTerm{expr: expr, desc: true})
	}
	if !byID {
		terms = append(terms, sortTerm{expr: idOrder(b), text: true})
	}
	return terms, nil
}

func sortExpr(b *filter.Builder, o filter.Order) (expr string, text, nullable bool) {
	switch o.Entity {
	case filter.Tag:
		if o.Key == TagName {
			return "t.name", true, true
		}
		return "(SELECT x.value FROM trace_tags x WHERE x.trace_id = t.trace_id AND x.key = " + b.Arg(o.Key) + ")", true, true
	case filter.Metadata:
		if o.Key == MetaSession {
			return "t.session_id", true, true
		}
		return "(SELECT x.value FROM trace_metadata x WHERE x.trace_id = t.trace_id AND x.key = " + b.Arg(o.Key) + ")", true, true
	}
	switch o.Key {
	case "timestamp_ms":
		return "t.request_time", false, false
	case "execution_time_ms":
		return "(t.ended_at - t.request_time)", false, true
	case "end_time_ms":
		return "COALESCE(t.ended_at, t.request_time)", false, false
	case "status":
		return "t.state", true, false
	case "experiment_id":
		return "t.experiment_id", false, false
	}
	return idOrder(b), true, false
}

// idOrder orders ids by their bytes, whatever collation a PostgreSQL database has:
// so are the results of several experiments put together.
func idOrder(b *filter.Builder) string {
	if b.Dialect() == filter.Postgres {
		return `t.trace_id COLLATE "C"`
	}
	return "t.trace_id"
}

func sortColumns(order []sortTerm) string {
	var b strings.Builder
	for _, t := range order {
		b.WriteString(", " + t.expr)
	}
	return b.String()
}

func orderText(order []sortTerm) string {
	parts := make([]string, len(order))
	for i, t := range order {
		parts[i] = t.expr + direction(t.desc)
	}
	return strings.Join(parts, ", ")
}

// pageToken names the last row of a page by the values it was sorted by.
func pageToken(order []sortTerm, key []any) (string, error) {
	out := make([]any, len(key))
	for i, v := range key {
		if b, ok := v.([]byte); ok {
			v = string(b)
		}
		out[i] = v
	}
	b, err := json.Marshal(map[string]any{"after": out})
	if err != nil {
		return "", fmt.Errorf("page token: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

func parsePageToken(token string, order []sortTerm) ([]any, error) {
	if token == "" {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return nil, invalid("Invalid page token, could not base64-decode")
	}
	var parsed struct {
		After []json.RawMessage `json:"after"`
	}
	if json.Unmarshal(raw, &parsed) != nil || len(parsed.After) != len(order) {
		return nil, invalid("Invalid page token: it is not of this search.")
	}
	out := make([]any, len(order))
	for i, v := range parsed.After {
		var s string
		var n int64
		if order[i].text && json.Unmarshal(v, &s) == nil {
			out[i] = CleanText(s)
		} else if !order[i].text && json.Unmarshal(v, &n) == nil {
			out[i] = n
		} else {
			return nil, invalid("Invalid page token: it is not of this search.")
		}
	}
	return out, nil
}

// afterCondition holds for the rows that come after key in the order:
// a > $1 OR (a = $1 AND b > $2) OR …
func afterCondition(b *filter.Builder, order []sortTerm, key []any) string {
	marks := make([]string, len(key))
	for i, v := range key {
		marks[i] = b.Arg(v)
	}
	cond := ""
	for i := len(order) - 1; i >= 0; i-- {
		op := " > "
		if order[i].desc {
			op = " < "
		}
		step := order[i].expr + op + marks[i]
		if cond != "" {
			step = "(" + step + " OR (" + order[i].expr + " = " + marks[i] + " AND " + cond + "))"
		}
		cond = step
	}
	if first := order[0]; first.desc {
		return first.expr + " <= " + marks[0] + " AND " + cond // lets the index on time begin there
	}
	return cond
}
