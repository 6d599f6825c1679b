package tracestore

import (
	"encoding/json"
	"path"
	"strings"
	"unicode/utf8"

	"database/sql"
)

// The attributes of a span that mean something to the trace.
const (
	AttrInputs      = "mlflow.spanInputs"
	AttrOutputs     = "mlflow.spanOutputs"
	AttrType        = "mlflow.spanType"
	AttrTokenUsage  = "mlflow.chat.tokenUsage"
	AttrCost        = "mlflow.llm.cost"
	AttrModel       = "mlflow.llm.model"
	AttrProvider    = "mlflow.llm.provider"
	attrSession     = "session.id"
	attrSessionGen  = "gen_ai.conversation.id"
	attrUser        = "user.id"
	attrTagPrefix   = "mlflow.traceTag."
	typeUnknown     = "UNKNOWN"
	maxModel        = 500
	nanosPerMilli   = 1_000_000
	microsPerMilli  = 1000
	maxPreviewRunes = 1000
)

// spanFacts is what one pass over a span's attributes finds.
type spanFacts struct {
	kind            string
	model, provider string
	session, user   string
	inputs, outputs json.RawMessage
	usage           usage
	tags            map[string]string
}

func factsOf(sp *Span) spanFacts {
	f := spanFacts{kind: typeUnknown}
	for _, a := range sp.Attributes {
		switch a.Key {
		case AttrType:
			if s := plainText(a.Value); s != "" && s != "null" {
				f.kind = CleanText(s)
			}
		case AttrInputs:
			f.inputs = a.Value
		case AttrOutputs:
			f.outputs = a.Value
		case AttrTokenUsage:
			f.usage.tokens = parseTokens(a.Value)
		case AttrCost:
			f.usage.cost = parseCost(a.Value)
		case AttrModel:
			f.model = cut(CleanText(plainText(a.Value)), maxModel)
		case AttrProvider:
			f.provider = cut(CleanText(plainText(a.Value)), maxModel)
		case attrSession:
			f.session = plainText(a.Value)
		case attrSessionGen:
			if f.session == "" {
				f.session = plainText(a.Value)
			}
		case attrUser:
			f.user = plainText(a.Value)
		default:
			if key, ok := strings.CutPrefix(a.Key, attrTagPrefix); ok && ValidTagKey(key) == nil {
				if f.tags == nil {
					f.tags = map[string]string{}
				}
				f.tags[key] = cut(plainText(a.Value), maxTagText)
			}
		}
	}
	return f
}

// summary gathers what the spans of one batch say about their trace.
type summary struct {
	row      traceRow
	user     string
	nodes    []usageNode
	rootTags map[string]string
	resource []Attribute
	started  bool
	open     bool // a root has not ended
}

func (s *summary) add(sp *Span, f spanFacts) {
	start := sp.StartNS / nanosPerMilli * microsPerMilli
	if !s.started || start < s.row.requestTime.Int64 {
		s.row.requestTime, s.started = sql.NullInt64{Int64: start, Valid: true}, true
	}
	if sp.EndNS != 0 {
		end := max(sp.EndNS/nanosPerMilli*microsPerMilli, start)
		if !s.row.endedAt.Valid || end > s.row.endedAt.Int64 {
			s.row.endedAt = sql.NullInt64{Int64: end, Valid: true}
		}
	}
	// What is too long for a session is none. It stays in the span, and a part of
	// it could be the name of another session.
	if f.session != "" && !s.row.session.Valid && utf8.RuneCountInString(f.session) <= maxSession {
		s.row.session = null(CleanText(f.session))
	}
	if s.user == "" {
		s.user = f.user
	}
	if s.resource == nil {
		s.resource = sp.Resource
	}
	s.nodes = append(s.nodes, usageNode{id: sp.ID, parent: sp.ParentID, usage: f.usage})
	if sp.ParentID == "" {
		s.root(sp, f)
	}
}

// root takes what only a root span says. A root that has not ended leaves the
// trace in progress; MLflow calls it OK, with a negative duration.
func (s *summary) root(sp *Span, f spanFacts) {
	switch {
	case sp.EndNS == 0:
		s.open = true
	case sp.Status == StatusError:
		s.row.state = StateError
	case s.row.state == StateInProgress:
		s.row.state = StateOK
	}
	if !s.row.request.Valid {
		s.row.request = null(CleanText(Preview(f.inputs, "user")))
	}
	if !s.row.answer.Valid {
		s.row.answer = null(CleanText(Preview(f.outputs, "assistant")))
	}
	for k, v := range f.tags {
		if s.rootTags == nil {
			s.rootTags = map[string]string{}
		}
		s.rootTags[k] = v
	}
}

// finish returns the trace's row with its tags: those of the process, and over
// them those that the root span carries.
func (s *summary) finish() traceRow {
	if s.open {
		s.row.state = StateInProgress
		s.row.endedAt = sql.NullInt64{}
	}
	for _, a := range s.resource {
		if strings.HasPrefix(a.Key, "telemetry.sdk.") || strings.HasPrefix(a.Key, "mlflow.") || ValidTagKey(a.Key) != nil {
			continue
		}
		s.row.tags[a.Key] = cut(plainText(a.Value), maxTagText)
	}
	for k, v := range s.rootTags {
		switch k {
		case TagName:
			s.row.name = null(CleanText(cut(v, maxName)))
		case TagSpansLocation, TagArtifactLocation:
		default:
			s.row.tags[k] = v
		}
	}
	s.row.usage = total(s.nodes)
	return s.row
}

// ValidTagKey returns what is wrong with a trace tag's key, nil when nothing is.
func ValidTagKey(key string) error {
	if key == "" {
		return invalid("Missing value for required parameter 'key'.")
	}
	if utf8.RuneCountInString(key) > maxTagKey {
		return invalid("'key' exceeds the maximum length of %d characters", maxTagKey)
	}
	for _, c := range key {
		if !(c == '/' || c == '_' || c == '.' || c == '-' || c == ' ' || c == ':' || isWord(c)) {
			return invalid("Invalid value \"%s\" for parameter 'key' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).", key)
		}
	}
	if clean := path.Clean(key); clean != key || clean == "." || strings.HasPrefix(clean, "..") || strings.HasPrefix(clean, "/") {
		return invalid("Invalid value \"%s\" for parameter 'key' supplied: Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '%s'", key, clean)
	}
	return nil
}
