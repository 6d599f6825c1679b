-- +goose Up

-- The embedded trace store: MLflow's experiments, traces, spans, assessments.
-- Instants are BIGINT microseconds UTC; a span's start and end keep the
-- nanoseconds they came with. Experiment ids are the greatest + 1: MLflow's
-- clients expect small decimal numbers.
CREATE TABLE experiments (
    id                BIGINT PRIMARY KEY,
    name              TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,
    lifecycle_stage   TEXT NOT NULL,   -- 'active' or 'deleted'
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
);
INSERT INTO experiments (id, name, artifact_location, lifecycle_stage, created_at, updated_at)
VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 0, 0);

CREATE TABLE experiment_tags (
    experiment_id BIGINT NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    key           TEXT NOT NULL,
    value         TEXT NOT NULL,
    PRIMARY KEY (experiment_id, key)
);

CREATE TABLE traces (
    trace_id            TEXT PRIMARY KEY,
    experiment_id       BIGINT NOT NULL REFERENCES experiments (id),
    client_request_id   TEXT,
    request_time        BIGINT NOT NULL,
    ended_at            BIGINT,
    state               TEXT NOT NULL,   -- OK, ERROR, IN_PROGRESS, STATE_UNSPECIFIED
    name                TEXT,
    session_id          TEXT,
    request_preview     TEXT,
    response_preview    TEXT,
    input_tokens        BIGINT,
    output_tokens       BIGINT,
    total_tokens        BIGINT,
    cache_read_tokens   BIGINT,
    cache_write_tokens  BIGINT,
    cache_write_1h      BIGINT,
    input_cost          DOUBLE PRECISION,
    output_cost         DOUBLE PRECISION,
    total_cost          DOUBLE PRECISION,
    finalized           BOOLEAN NOT NULL,   -- a StartTraceV3 has spoken: its times win over the spans'
    tokens_said         BOOLEAN NOT NULL,   -- it has said the tokens: they are not summed from spans
    cost_said           BOOLEAN NOT NULL,   -- the same for the cost
    span_writes         BIGINT NOT NULL     -- how many batches have brought spans of this trace
);
-- The search that every rating by a foreign id makes.
CREATE INDEX traces_by_client_request_id ON traces (experiment_id, client_request_id);
-- The default order of a search, and retention.
CREATE INDEX traces_by_time ON traces (experiment_id, request_time DESC, trace_id);
CREATE INDEX traces_by_session ON traces (session_id);

CREATE TABLE trace_tags (
    trace_id TEXT NOT NULL REFERENCES traces (trace_id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (trace_id, key)
);

CREATE TABLE trace_metadata (
    trace_id TEXT NOT NULL REFERENCES traces (trace_id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (trace_id, key)
);

CREATE TABLE spans (
    trace_id       TEXT NOT NULL REFERENCES traces (trace_id) ON DELETE CASCADE,
    span_id        TEXT NOT NULL,
    parent_id      TEXT,
    name           TEXT NOT NULL,
    type           TEXT NOT NULL,
    status         TEXT NOT NULL,        -- OK, ERROR, UNSET
    start_ns       BIGINT NOT NULL,
    end_ns         BIGINT,
    content        TEXT NOT NULL,        -- JSON: name, status, attributes, events, links
    token_usage    TEXT,                 -- JSON, as the span said it
    input_cost     DOUBLE PRECISION,
    output_cost    DOUBLE PRECISION,
    total_cost     DOUBLE PRECISION,
    model_name     TEXT,
    model_provider TEXT,
    PRIMARY KEY (trace_id, span_id)
);

CREATE TABLE assessments (
    assessment_id TEXT PRIMARY KEY,
    trace_id      TEXT NOT NULL REFERENCES traces (trace_id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,         -- feedback, expectation, issue
    value         TEXT NOT NULL,         -- JSON
    numeric_value DOUBLE PRECISION,      -- what averages count: numbers, booleans and yes/no as 1/0
    is_number     BOOLEAN NOT NULL,      -- whether value is a number: what < and > compare
    error         TEXT,                  -- JSON
    source_type   TEXT NOT NULL,
    source_id     TEXT NOT NULL,
    span_id       TEXT,
    run_id        TEXT,
    rationale     TEXT,
    metadata      TEXT NOT NULL,         -- JSON object of strings
    whole_session BOOLEAN NOT NULL,      -- its metadata names a session: it is about all of that session's traces
    overrides     TEXT,
    valid         BOOLEAN NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    inserted_at   BIGINT NOT NULL        -- our clock; breaks ties of the callers' created_at
);
CREATE INDEX assessments_by_trace ON assessments (trace_id);
CREATE INDEX assessments_by_name ON assessments (kind, name);

-- Runs, only as far as tracing inside mlflow.start_run() needs them.
CREATE TABLE runs (
    run_id          TEXT PRIMARY KEY,
    experiment_id   BIGINT NOT NULL REFERENCES experiments (id),
    name            TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    status          TEXT NOT NULL,
    start_time      BIGINT,
    end_time        BIGINT,
    lifecycle_stage TEXT NOT NULL,
    tags            TEXT NOT NULL        -- JSON object of strings
);

CREATE TABLE trace_links (
    trace_id TEXT NOT NULL REFERENCES traces (trace_id) ON DELETE CASCADE,
    kind     TEXT NOT NULL,              -- run, prompt
    target   TEXT NOT NULL,              -- run id, or prompt as name/version
    PRIMARY KEY (trace_id, kind, target)
);
CREATE INDEX trace_links_by_target ON trace_links (kind, target);

CREATE TABLE issues (
    issue_id      TEXT PRIMARY KEY,
    experiment_id BIGINT NOT NULL REFERENCES experiments (id),
    name          TEXT NOT NULL,
    description   TEXT NOT NULL,
    status        TEXT NOT NULL,
    severity      TEXT,
    root_causes   TEXT NOT NULL,         -- JSON list
    categories    TEXT NOT NULL,         -- JSON list
    source_run_id TEXT,
    created_by    TEXT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE issues;
DROP TABLE trace_links;
DROP TABLE runs;
DROP TABLE assessments;
DROP TABLE spans;
DROP TABLE trace_metadata;
DROP TABLE trace_tags;
DROP TABLE traces;
DROP TABLE experiment_tags;
DROP TABLE experiments;
