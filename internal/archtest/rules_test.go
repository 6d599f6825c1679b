package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// The rooms, from the ground up. A package may import rooms of lower floors;
// edges inside a floor are the exceptions listed in neighbours.
const (
	words = iota
	tools
	features
	engines
	transports
	composition
	command
)

var rooms = []struct {
	path  string
	floor int
	why   string
}{
	{"internal/requestid", words, "a word: everything may say it"},
	{"internal/errs", words, "a word: everything may say it"},
	{"internal/jsonextent", words, "a measure: whoever takes JSON from outside takes it before decoding"},
	{"mlflow", words, "public client: useful without the rest of the house, so it knows nothing of it"},
	{"mlflowtrace", tools, "public: turns a finished trace into calls of the client"},
	{"internal/sse", tools, "the wire format of streams, no meaning"},
	{"internal/sqldb", tools, "two databases behind one handle, no tables of its own but the migrations"},
	{"internal/httpx", tools, "HTTP without routes"},
	{"internal/telemetry", tools, "logs and metrics"},
	{"internal/identity", tools, "who is calling"},
	{"internal/config", tools, "pure: text in, settings out"},
	{"internal/quota", tools, "how often each caller may"},
	{"internal/link", features, "which trace an answer's id means"},
	{"internal/chat", features, "conversations and their messages"},
	{"internal/feedback", features, "what people said about answers"},
	{"internal/outbox", features, "work that must not be lost"},
	{"internal/filter", features, "MLflow's search language"},
	{"internal/tracestore", features, "traces kept here"},
	{"internal/agent", engines, "how an upstream is spoken to"},
	{"internal/gateway", engines, "one turn"},
	{"internal/delivery", engines, "one rating's way to its trace"},
	{"internal/tracecopy", engines, "the way out: what is kept here, copied to a real MLflow server"},
	{"internal/webapi", transports, "our HTTP API"},
	{"internal/mlflowapi", transports, "MLflow's HTTP API"},
	{"internal/webui", transports, "the page"},
	{"internal/app", composition, "the one place that knows everybody"},
	{"cmd", command, "main only"},
	{"bench", command, "measurements: programs of their own, no part of the product"},
}

// neighbours are the edges allowed inside one floor. Anything else is a decision for docs/decisions.
var neighbours = []struct{ from, to, why string }{
	{"internal/feedback", "internal/outbox", "a rating and its delivery commit together"},
	{"internal/tracestore", "internal/filter", "search is the filter rendered as SQL"},
	{"internal/identity", "internal/sqldb", "API tokens are stored"},
	{"internal/gateway", "internal/agent", "a turn is a call of an agent"},
}

// banned says where an import may be. allowed lists the only places; empty means nowhere.
type banned struct {
	imp     string
	allowed []string
	why     string
}

var imports = []banned{
	{"net/http", []string{
		"mlflow", "mlflowtrace", "internal/sse", "internal/httpx", "internal/identity", "internal/agent",
		"internal/webapi", "internal/mlflowapi", "internal/webui", "internal/app", "bench",
	}, "features and engines mean the same whether called over HTTP, from a job or from a test"},
	{"database/sql", []string{
		"internal/sqldb", "internal/link", "internal/chat", "internal/feedback", "internal/outbox",
		"internal/tracestore", "internal/identity", "bench",
	}, "SQL lives beside the type it stores"},
	{"log", nil, "logs are structured: log/slog"},
	{"io/ioutil", nil, "deprecated"},
}

// libraries: which room a module was chosen for. One that is not here needs a row, that is, a decision.
var libraries = []banned{
	{"modernc.org/sqlite", []string{"internal/sqldb"}, "drivers sit behind the one handle"},
	{"github.com/jackc/pgx", []string{"internal/sqldb"}, "drivers sit behind the one handle"},
	{"github.com/pressly/goose", []string{"internal/sqldb"}, "migrations run where the database is opened"},
	{"github.com/maypok86/otter", []string{"internal/link", "internal/quota"}, "the bounded caches: of links, of callers"},
	{"github.com/tidwall/gjson", []string{"internal/agent", "internal/gateway", "internal/httpx", "internal/webapi"}, "peeking into events and spans without decoding them, and checking what callers send"},
	{"go.opentelemetry.io/otel", []string{"mlflowtrace"}, "the public tracing package speaks OpenTelemetry's API; the house itself does not need it"},
	{"go.opentelemetry.io/collector/pdata", []string{"mlflowtrace", "internal/mlflowapi", "internal/tracecopy", "bench"}, "OTLP's wire format"},
	{"github.com/danielgtaylor/huma", []string{"internal/webapi"}, "our API is described by its types; MLflow's is described by MLflow"},
	{"github.com/goccy/go-yaml", []string{"internal/config"}, "configuration is read in one place"},
	{"github.com/spf13", []string{"internal/app"}, "the command line is composed with the rest"},
	{"github.com/prometheus", []string{"internal/telemetry", "internal/app"}, "metrics are registered in one place"},
	{"golang.org/x/oauth2", []string{"internal/app"}, "machine sign-in at Databricks, for the client that app builds"},
	{"golang.org/x/time", []string{"internal/delivery", "internal/quota"}, "budgets: of searches for foreign ids, of each caller"},
}

// check returns one sentence for each broken rule, in a stable order.
func check(graph []node) []string {
	var broken []string
	for _, pkg := range graph {
		for _, problem := range checkPackage(pkg) {
			broken = append(broken, pkg.path+" "+problem)
		}
	}
	slices.Sort(broken)
	return broken
}

func checkPackage(pkg node) []string {
	if isTestHelper(pkg.path) {
		return nil // never linked into the product: judgeOurs sees to that
	}
	floor, ok := floorOf(pkg.path)
	if !ok {
		return []string{"has no room: add it to the table, with the reason it exists"}
	}
	var problems []string
	for _, imp := range pkg.imports {
		if why := judge(pkg.path, floor, imp); why != "" {
			problems = append(problems, fmt.Sprintf("imports %s: %s", imp, why))
		}
	}
	return problems
}

// judge returns why pkg must not import imp, or "".
func judge(pkg string, floor int, imp string) string {
	if isOurs(imp) {
		return judgeOurs(pkg, floor, imp)
	}
	if isStandard(imp) {
		return judgeListed(pkg, imp, imports)
	}
	if pkg == "mlflow" {
		return "the public client is standard library only, so that using it costs nothing"
	}
	if !slices.ContainsFunc(libraries, func(b banned) bool { return within(imp, b.imp) }) {
		return "this library has no row in the table: a new dependency is a decision"
	}
	return judgeListed(pkg, imp, libraries)
}

func judgeListed(pkg, imp string, table []banned) string {
	for _, rule := range table {
		exact := imp == rule.imp || strings.Contains(rule.imp, ".") && within(imp, rule.imp)
		if exact && !withinAny(pkg, rule.allowed) {
			return rule.why
		}
	}
	return ""
}

func judgeOurs(pkg string, floor int, imp string) string {
	if isTestHelper(imp) {
		return "a test helper must not be part of the product"
	}
	other, ok := floorOf(imp)
	switch {
	case !ok:
		return "it has no room in the table"
	case within(imp, "internal/app") && !within(pkg, "cmd"):
		return "only cmd starts the composition root"
	case sameRoom(pkg, imp):
		return ""
	case other == transports && floor != composition:
		return "only app knows the transports"
	case other < floor:
		return ""
	}
	for _, edge := range neighbours {
		if within(pkg, edge.from) && within(imp, edge.to) {
			return ""
		}
	}
	return "rooms know only what lies below them"
}

func floorOf(path string) (int, bool) {
	for _, room := range rooms {
		if within(path, room.path) {
			return room.floor, true
		}
	}
	return 0, false
}

// sameRoom: a room's sub-packages and the room itself may use each other.
func sameRoom(a, b string) bool {
	for _, room := range rooms {
		if within(a, room.path) && within(b, room.path) {
			return true
		}
	}
	return false
}
