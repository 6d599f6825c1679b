package filter

import (
	"slices"
	"strconv"
	"strings"
)

// The entities a clause of a trace search can be about.
const (
	Attribute   = "attribute"
	Tag         = "tag"
	Metadata    = "request_metadata"
	Span        = "span"
	Feedback    = "feedback"
	Expectation = "expectation"
	Issue       = "issue"
)

// Keys with a meaning of their own.
const (
	TagTraceName     = "mlflow.traceName"
	TagLinkedPrompts = "mlflow.linkedPrompts"
	MetaSourceRun    = "mlflow.sourceRun"
	MetaTokenUsage   = "mlflow.trace.tokenUsage" // kept as numbers, so that only equality can be asked
	MetaCost         = "mlflow.trace.cost"       // the same
	SpanContent      = "content"
	spanAttributes   = "attributes."
)

var (
	numericOps    = []Op{Gt, Ge, Ne, Eq, Lt, Le}
	stringOps     = []Op{Ne, Eq, In, NotIn, Like, ILike, RLike}
	keyValueOps   = []Op{Ne, Eq, Like, ILike, RLike, IsNull, IsNotNull}
	assessmentOps = []Op{Ne, Eq, Gt, Ge, Lt, Le, Like, ILike, RLike, IsNull, IsNotNull}
	contentOps    = []Op{Like, ILike}
)

// entity returns the canonical name of a spelled prefix, false for an unknown
// one. No prefix means attribute.
func traceEntity(s string) (string, bool) {
	switch s {
	case "", "attribute", "attributes", "trace":
		return Attribute, true
	case "tag", "tags":
		return Tag, true
	case "metadata", "request_metadata":
		return Metadata, true
	case Span, Feedback, Expectation, Issue:
		return s, true
	}
	return "", false
}

const traceEntities = "{'attribute', 'attributes', 'expectation', 'feedback', 'issue', 'metadata', 'request_metadata', 'span', 'tag', 'tags', 'trace'}"

// traceNumeric maps the spellings of the numeric attributes to their key.
func traceNumeric(key string) (string, bool) {
	switch key {
	case "timestamp", "timestamp_ms":
		return "timestamp_ms", true
	case "execution_time", "execution_time_ms":
		return "execution_time_ms", true
	case "end_time", "end_time_ms":
		return "end_time_ms", true
	}
	return key, false
}

const (
	traceNumericKeys = "{'end_time', 'end_time_ms', 'execution_time', 'execution_time_ms', 'timestamp', 'timestamp_ms'}"
	traceListKeys    = "{'client_request_id', 'name', 'request_id', 'run_id', 'status'}"
	traceSearchKeys  = "{'client_request_id', 'end_time', 'end_time_ms', 'execution_time', 'execution_time_ms', 'name', 'prompt', 'request_id', 'run_id', 'status', 'text', 'timestamp', 'timestamp_ms'}"
	traceOrderKeys   = "{'end_time', 'end_time_ms', 'execution_time', 'execution_time_ms', 'experiment_id', 'name', 'request_id', 'run_id', 'status', 'timestamp', 'timestamp_ms'}"
)

// ParseTraces reads the filter of a trace search. The attributes name, prompt,
// run_id and text come back as the tag, metadata or span key they stand for.
func ParseTraces(s string) ([]Clause, error) {
	return clauses(s, traceClause)
}

func traceClause(c comparison) (Clause, error) {
	spelled, key, err := c.identifier()
	if err != nil {
		return Clause{}, err
	}
	entity, ok := traceEntity(spelled)
	if !ok {
		return Clause{}, invalid("Invalid entity type '%s'. Valid values are %s", spelled, traceEntities)
	}
	_, numeric := traceNumeric(key)
	if entity == Attribute && !numeric &&
		!slices.Contains([]string{"request_id", "status", "client_request_id", "name", "run_id", "prompt", "text"}, key) {
		return Clause{}, invalid("Invalid attribute key '%s' specified. Valid keys are '%s'", key, traceSearchKeys)
	}
	clause := Clause{Entity: entity, Key: key, Op: c.op}
	if c.op != IsNull && c.op != IsNotNull {
		if clause.Value, err = traceValue(entity, key, c); err != nil {
			return Clause{}, err
		}
	}
	clause = aliased(clause)
	return clause, checkTraceOp(clause)
}

// traceValue reads the right side as the entity wants it.
func traceValue(entity, key string, c comparison) (Value, error) {
	switch {
	case entity == Feedback || entity == Expectation:
		return assessmentValue(entity, c)
	case c.isText():
		return c.stringValue()
	case c.isList() && (entity == Tag || entity == Span):
		return c.listValue()
	case c.isList() && entity == Attribute:
		if !slices.Contains([]string{"name", "status", "request_id", "run_id", "client_request_id"}, key) {
			return Value{}, invalid("Only attributes in %s supports comparison with a list of quoted string values.", traceListKeys)
		}
		return c.listValue()
	case entity == Attribute:
		if _, numeric := traceNumeric(key); !numeric {
			return Value{}, invalid("Only the '%s' attributes support comparison with numeric values.", traceNumericKeys)
		}
		return c.numberValue()
	}
	return Value{}, invalid("Expected a quoted string value for %s (e.g. 'my-value'). Got value %s", entity, c.text())
}

func assessmentValue(entity string, c comparison) (Value, error) {
	numeric := c.op == Gt || c.op == Ge || c.op == Lt || c.op == Le
	switch {
	case numeric && (c.right[0].kind == tokInt || c.right[0].kind == tokFloat):
		return c.numberValue()
	case numeric:
		return Value{}, invalid("Expected a numeric value for %s when using comparator '%s'. Got value %s", entity, c.op, c.text())
	case c.isText():
		return c.stringValue()
	}
	return Value{}, invalid("Expected a quoted string value for %s (e.g. 'my-value'). Got value %s", entity, c.text())
}

// aliased replaces an attribute that lives elsewhere by what it stands for.
// MLflow does this after every prefix but span, so that tags.name means the
// trace's name; here a tag or feedback called "name" can be searched.
func aliased(c Clause) Clause {
	if c.Entity != Attribute {
		return c
	}
	switch c.Key {
	case "name":
		c.Entity, c.Key = Tag, TagTraceName
	case "prompt":
		c.Entity, c.Key = Tag, TagLinkedPrompts
	case "run_id":
		c.Entity, c.Key = Metadata, MetaSourceRun
	case "text":
		c.Entity, c.Key = Span, SpanContent
	default:
		c.Key, _ = traceNumeric(c.Key)
	}
	return c
}

// checkTraceOp says whether the entity takes the operator.
func checkTraceOp(c Clause) error {
	switch c.Entity {
	case Attribute:
		if _, numeric := traceNumeric(c.Key); numeric {
			return checkNumeric(c)
		}
		return allow(c.Op, stringOps, "Invalid comparator '%s' not one of '%s'")
	case Tag:
		if c.Key == TagLinkedPrompts {
			return checkPrompt(c)
		}
		return allow(c.Op, keyValueOps, "Invalid comparator '%s' not one of '%s") // MLflow forgets this quote
	case Metadata:
		if (c.Key == MetaTokenUsage || c.Key == MetaCost) && !slices.Contains([]Op{Ne, Eq, IsNull, IsNotNull}, c.Op) {
			return invalid("Comparator '%s' is not supported for reserved metadata '%s'. Only '=', '!=', 'IS NULL', and 'IS NOT NULL' are supported.", c.Op, c.Key)
		}
		return allow(c.Op, keyValueOps, "Invalid comparator '%s' not one of '%s'")
	case Span:
		return checkSpan(c)
	case Issue:
		if c.Key != "id" {
			return invalid("Invalid issue attribute '%s'. Supported attributes: id", c.Key)
		}
		return allow(c.Op, []Op{Eq}, "issue.id comparator '%s' not one of '%s'")
	}
	if c.Key == "" {
		return invalid("Assessment field name cannot be empty")
	}
	return allow(c.Op, assessmentOps, "assessment."+strings.ReplaceAll(c.Key, "%", "%%")+" comparator '%s' not one of '%s'")
}

func checkNumeric(c Clause) error {
	if err := allow(c.Op, numericOps, "Invalid comparator '%s' not one of '%s'"); err != nil {
		return err
	}
	if c.Value.IsNumber {
		return nil
	}
	if _, err := strconv.ParseFloat(c.Value.Text, 64); err != nil {
		return invalid("Expected a numeric value for attribute '%s'. Got value '%s'", c.Key, c.Value.Text)
	}
	return nil
}

func checkPrompt(c Clause) error {
	if c.Op != Eq {
		return invalid("Invalid comparator '%s' for prompts filter. Only '=' is supported with format: prompt = \"name/version\"", c.Op)
	}
	if strings.Count(c.Value.Text, "/") != 1 {
		return invalid("Invalid prompts filter value '%s'. Expected format: prompt = \"name/version\"", c.Value.Text)
	}
	return nil
}

func checkSpan(c Clause) error {
	prefix := "span." + strings.ReplaceAll(c.Key, "%", "%%") + " comparator '%s' not one of '%s'"
	switch {
	case c.Key == spanAttributes:
		return invalid("Span attribute name cannot be empty after 'attributes.'")
	case strings.HasPrefix(c.Key, spanAttributes), c.Key == "name", c.Key == "type", c.Key == "status":
		return allow(c.Op, stringOps, prefix)
	case c.Key == SpanContent:
		return allow(c.Op, contentOps, prefix)
	}
	return invalid("Invalid span attribute '%s'. Supported attributes: name, status, type, attributes.<attribute_name>.", c.Key)
}

// SpanAttribute returns the attribute's name when key is "attributes.NAME".
func SpanAttribute(key string) (string, bool) {
	name, ok := strings.CutPrefix(key, spanAttributes)
	name, _ = unquote(name, "`")
	return name, ok
}

func allow(op Op, ops []Op, format string) error {
	if slices.Contains(ops, op) {
		return nil
	}
	return invalid(format, op, set(ops...))
}

// Order is one term of an ordering.
type Order struct {
	Entity string // Attribute, Tag or Metadata
	Key    string
	Desc   bool
}

// ParseTraceOrder reads the order_by terms of a trace search.
func ParseTraceOrder(terms []string) ([]Order, error) {
	if len(terms) > maxClauses {
		return nil, invalid("`order_by` has more than %d terms.", maxClauses)
	}
	var out []Order
	for _, s := range terms {
		o, spelled, err := parseOrder(s)
		if err != nil {
			return nil, err
		}
		entity, ok := traceEntity(spelled)
		if !ok {
			return nil, invalid("Invalid entity type '%s'. Valid values are %s", spelled, traceEntities)
		}
		o.Entity = entity
		if err := checkTraceOrder(o); err != nil {
			return nil, err
		}
		c := aliased(Clause{Entity: o.Entity, Key: o.Key})
		o.Entity, o.Key = c.Entity, c.Key
		if slices.ContainsFunc(out, func(p Order) bool { return p.Entity == o.Entity && p.Key == o.Key }) {
			return nil, invalid("`order_by` contains duplicate fields: %s", strings.Join(terms, ", "))
		}
		out = append(out, o)
	}
	return out, nil
}

func checkTraceOrder(o Order) error {
	switch o.Entity {
	case Tag, Metadata:
		return nil
	case Attribute:
		_, numeric := traceNumeric(o.Key)
		if numeric || slices.Contains([]string{"experiment_id", "status", "request_id", "name", "run_id"}, o.Key) {
			return nil
		}
		return invalid("Invalid attribute key '%s' specified. Valid keys are '%s'", o.Key, traceOrderKeys)
	}
	return invalid("Invalid identifier type '%s'", o.Entity)
}

// parseOrder reads "identifier [ASC|DESC]".
func parseOrder(s string) (o Order, entity string, err error) {
	toks := lex(s)
	if len(toks) == 0 || len(toks) > 2 || toks[0].kind != tokWord {
		return o, "", invalid("Invalid order_by clause '%s'. Could not be parsed.", s)
	}
	if len(toks) == 2 {
		switch {
		case toks[1].is("DESC"):
			o.Desc = true
		case !toks[1].is("ASC"):
			return o, "", invalid("Invalid ordering key in order_by clause '%s'.", s)
		}
	}
	entity, o.Key, err = splitIdentifier(toks[0].text)
	return o, entity, err
}
