package filter

import (
	"slices"
	"strconv"
)

const experimentKeys = "{'creation_time', 'experiment_id', 'last_update_time', 'name'}"

func experimentEntity(s string) (string, error) {
	switch s {
	case "", "attribute", "attributes":
		return Attribute, nil
	case "tag", "tags":
		return Tag, nil
	}
	return "", invalid("Invalid entity type '%s'. Valid entity types are ('attribute', 'tag', 'tags')", s)
}

func checkExperimentKey(entity, key string) error {
	if entity == Attribute && !slices.Contains([]string{"name", "experiment_id", "creation_time", "last_update_time"}, key) {
		return invalid("Invalid attribute key '%s' specified. Valid keys are '%s'", key, experimentKeys)
	}
	return nil
}

// ParseExperiments reads the filter of an experiment search.
func ParseExperiments(s string) ([]Clause, error) {
	return clauses(s, experimentClause)
}

func experimentClause(c comparison) (Clause, error) {
	spelled, key, err := c.identifier()
	if err != nil {
		return Clause{}, err
	}
	entity, err := experimentEntity(spelled)
	if err != nil {
		return Clause{}, err
	}
	if err := checkExperimentKey(entity, key); err != nil {
		return Clause{}, err
	}
	clause := Clause{Entity: entity, Key: key, Op: c.op}
	if c.op == IsNull || c.op == IsNotNull {
		if entity != Tag {
			return Clause{}, invalid("IS NULL / IS NOT NULL is only supported for tags, not for attribute '%s'", key)
		}
		return clause, nil
	}
	if clause.Value, err = experimentValue(entity, key, c); err != nil {
		return Clause{}, err
	}
	return clause, checkExperimentOp(clause)
}

func experimentValue(entity, key string, c comparison) (Value, error) {
	switch {
	case c.isList() && entity == Attribute && key == "experiment_id":
		return c.listValue()
	case c.isList():
		return Value{}, invalid("Only ['experiment_id'] attributes support comparison with a list of quoted string values.")
	case c.isText():
		return c.stringValue()
	case entity == Attribute && key != "name":
		return c.numberValue()
	}
	return Value{}, invalid("Expected a quoted string value for %s (e.g. 'my-value'). Got value %s", entity, c.text())
}

func checkExperimentOp(c Clause) error {
	switch {
	case c.Entity == Tag:
		return allow(c.Op, []Op{Eq, Ne, Like, ILike}, "Invalid comparator for tag: %s (valid: %s)")
	case c.Key == "name":
		return allow(c.Op, []Op{Eq, Ne, Like, ILike}, "Invalid comparator for string attribute: %s (valid: %s)")
	case c.Key == "experiment_id":
		return allow(c.Op, []Op{Eq, Ne, In, NotIn}, "Invalid comparator for experiment_id: %s (valid: %s)")
	}
	if err := allow(c.Op, numericOps, "Invalid comparator for numeric attribute: %s (valid: %s)"); err != nil {
		return err
	}
	if _, err := strconv.ParseInt(c.Value.Text, 10, 64); err != nil {
		return invalid("Invalid value for numeric attribute '%s': '%s'", c.Key, c.Value.Text)
	}
	return nil
}

// ParseExperimentOrder reads the order_by terms of an experiment search.
func ParseExperimentOrder(terms []string) ([]Order, error) {
	if len(terms) > maxClauses {
		return nil, invalid("`order_by` has more than %d terms.", maxClauses)
	}
	var out []Order
	for _, s := range terms {
		o, spelled, err := parseOrder(s)
		if err != nil {
			return nil, err
		}
		if o.Entity, err = experimentEntity(spelled); err != nil {
			return nil, err
		}
		if o.Entity != Attribute {
			return nil, invalid("Invalid order_by entity: %s", o.Entity)
		}
		if err := checkExperimentKey(o.Entity, o.Key); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// MetricFilter is one condition of a metrics query: view is "trace", "span" or
// "assessment"; Key is set for tags and metadata only.
type MetricFilter struct {
	View, Entity, Key string
	Value             string
}

// ParseMetric reads one filter of a metrics query, which is a single equality
// like trace.tag.env = 'prod' or assessment.name = 'score'.
func ParseMetric(s string) (MetricFilter, error) {
	parsed, err := parse(s)
	if err != nil {
		return MetricFilter{}, err
	}
	if len(parsed) != 1 {
		return MetricFilter{}, invalid("Invalid filter: '%s'. Expected one filter clause.", s)
	}
	view, rest, err := parsed[0].identifier()
	if err != nil {
		return MetricFilter{}, err
	}
	entity, key, _ := splitIdentifier(rest)
	if entity == "" {
		entity, key = key, ""
	}
	if !slices.Contains([]string{
		"trace.status", "trace.tag", "trace.metadata", "span.name", "span.status", "span.type", "assessment.name", "assessment.type",
	}, view+"."+entity) {
		return MetricFilter{}, invalid("Invalid identifier '%s'. Columns should be specified as 'trace.<key>', 'span.<key>', 'assessment.<key>'.", parsed[0].left.text)
	}
	if needsKey := entity == "tag" || entity == "metadata"; needsKey != (key != "") {
		return MetricFilter{}, invalid("Invalid filter '%s': %s.tag and %s.metadata take a key, nothing else does.", s, view, view)
	}
	if parsed[0].op != Eq {
		return MetricFilter{}, invalid("Invalid comparator: '%s', only '=' operator is supported", parsed[0].op)
	}
	if !parsed[0].isText() {
		return MetricFilter{}, invalid("Expected a quoted string value for %s value (e.g. 'my-value'). Got value %s", entity, parsed[0].text())
	}
	v, err := parsed[0].stringValue()
	return MetricFilter{View: view, Entity: entity, Key: key, Value: v.Text}, err
}
