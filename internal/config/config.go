// Package config turns flags, environment and one YAML file into a checked
// Config.
//
// Its invariant: a Config that Load returned is complete and consistent; nobody
// after it needs a default or a check. Every problem is one line that names
// where the value came from (file and line, variable or flag), and all problems
// are reported together. What the product does not have yet is refused, never
// ignored.
//
// Loading is pure: it opens nothing but the file it is given a reader for, and
// it neither binds, dials nor creates anything.
package config

// The protocols an agent may speak.
const (
	ProtocolResponses       = "responses"
	ProtocolChatAgent       = "chat_agent"
	ProtocolChatCompletions = "chat_completions"
	ProtocolDemo            = "demo"
	ProtocolAuto            = "auto" // found out before the first question
)

// Who records an agent's trace.
const (
	TraceByAgent   = "agent"   // the agent records its own; we look for it
	TraceByGateway = "gateway" // we record it
)

// Who calls, and how we know.
const (
	ModeNone          = "none"           // one person; loopback only
	ModeDatabricksApp = "databricks_app" // whom the proxy of Databricks Apps says
)

// Embedded is the tracking URI that means our own trace store.
const Embedded = "embedded"

// Config is everything the process needs to start. It holds secrets only in
// Secret values, so printing one shows none.
type Config struct {
	// DataDir holds all files of ours; relative to the working directory.
	DataDir string `yaml:"-"`
	// Notices are sentences for the start-up output, e.g. why a tracking URI
	// was read as "embedded".
	Notices []string `yaml:"-"`

	Server  Server  `yaml:"server"`
	Storage Storage `yaml:"storage"`
	MLflow  MLflow  `yaml:"mlflow"`

	Databricks Databricks `yaml:"-"` // from the environment only

	Agents    []Agent   `yaml:"agents"`
	Auth      Auth      `yaml:"auth"`
	Feedback  Feedback  `yaml:"feedback"`
	Retention Retention `yaml:"retention"`
	Log       Log       `yaml:"log"`
}

// Server is where we listen and how people reach us.
type Server struct {
	Addr      string `yaml:"addr"`       // HOST:PORT; port 0 takes a free one
	PublicURL string `yaml:"public_url"` // empty: only addr names us
}

// Storage is the one database: "sqlite:PATH", with the path under DataDir unless it
// was absolute, or
// "postgres://…".
type Storage struct {
	URL Secret `yaml:"url"` // may carry a password
}

// MLflow is where traces and feedback go.
type MLflow struct {
	// TrackingURI is Embedded, an http(s) URL, or "databricks".
	TrackingURI string `yaml:"tracking_uri"`

	// The rest comes from MLflow's own environment variables only.
	Token        Secret `yaml:"-"` // MLFLOW_TRACKING_TOKEN
	Username     string `yaml:"-"` // MLFLOW_TRACKING_USERNAME
	Password     Secret `yaml:"-"` // MLFLOW_TRACKING_PASSWORD
	Workspace    string `yaml:"-"` // MLFLOW_WORKSPACE
	SQLWarehouse string `yaml:"-"` // MLFLOW_TRACING_SQL_WAREHOUSE_ID
}

// IsEmbedded reports whether traces go to our own store.
func (m MLflow) IsEmbedded() bool { return m.TrackingURI == Embedded }

// Databricks is the workspace of the environment, for MLflow and for agents with
// auth type databricks. It is checked only where something uses it.
type Databricks struct {
	Host     string // DATABRICKS_HOST with its scheme, without a path
	Token    Secret // DATABRICKS_TOKEN: a personal access token
	ClientID string // DATABRICKS_CLIENT_ID: a service principal's, for OAuth
	Secret   Secret // DATABRICKS_CLIENT_SECRET
}

// IsMachine reports whether a service principal can sign in.
func (d Databricks) IsMachine() bool { return d.ClientID != "" && d.Secret != "" }

// Auth says who may call.
type Auth struct {
	Mode string `yaml:"mode"` // one of the Mode constants
}

// Feedback holds what concerns every agent's feedback.
type Feedback struct {
	// Wait is how long a request may wait for its delivery before it is
	// answered 202.
	Wait Duration `yaml:"wait"`
}

// Log shapes our own log on standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// Agent is one upstream people can talk to.
type Agent struct {
	ID               string     `yaml:"id"`
	Name             string     `yaml:"name"`
	Description      string     `yaml:"description"`
	Protocol         string     `yaml:"protocol"`
	URL              string     `yaml:"url"`
	Model            string     `yaml:"model"`
	Auth             AgentAuth  `yaml:"auth"`
	ExperimentID     string     `yaml:"mlflow_experiment_id"`
	Experiment       string     `yaml:"mlflow_experiment"` // a name; created when missing
	Version          string     `yaml:"version"`
	SuggestedPrompts []string   `yaml:"suggested_prompts"`
	Trace            AgentTrace `yaml:"trace"`
	// Feedback is nil when the file says nothing: then there are thumbs, and
	// other names are taken too.
	Feedback *AgentFeedback `yaml:"feedback"`
}

// AgentAuth is how we authenticate to the agent.
type AgentAuth struct {
	Type      string `yaml:"type"`       // one of the Auth constants
	TokenEnv  string `yaml:"token_env"`  // for bearer: the variable that holds the token
	TokenFile string `yaml:"token_file"` // for bearer: the file that holds it
	Token     Secret `yaml:"-"`          // the variable's value
}

// AgentTrace is how an answer and its trace find each other.
type AgentTrace struct {
	By          string   `yaml:"by"`
	Send        []string `yaml:"send"` // how the id travels to the agent; nil = the protocol's default
	Find        []string `yaml:"find"` // how the trace is found, in order
	GiveUpAfter Duration `yaml:"give_up_after"`
	Content     bool     `yaml:"content"` // text on traces of ours even for store:false
}

// AgentFeedback is what may be asked about an agent's answers.
type AgentFeedback struct {
	Open       bool        `yaml:"open"` // names beyond Dimensions are taken
	Dimensions []Dimension `yaml:"dimensions"`
}

// Dimension is one named, typed question.
type Dimension struct {
	Name       string   `yaml:"name"`
	Type       string   `yaml:"type"` // boolean, number, category, multi_category, text
	Min        *float64 `yaml:"min"`
	Max        *float64 `yaml:"max"`
	Step       *float64 `yaml:"step"`
	Categories []string `yaml:"categories"`

	// Reasons are the stable keys a person may add to a value: to up or down, to a
	// number, to a category.
	Reasons map[string][]string `yaml:"reasons"`

	// Label is what the page calls the dimension, by language (BCP 47); Labels is
	// the same for its reasons and categories, by key.
	Label  map[string]string            `yaml:"label"`
	Labels map[string]map[string]string `yaml:"labels"`
}

// Secret is text that never shows itself: printed, logged or marshalled it is
// "***" (or nothing, when empty).
type Secret string

// String returns "***", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString is what %#v prints.
func (s Secret) GoString() string { return s.String() }

// MarshalText keeps the secret out of JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }
