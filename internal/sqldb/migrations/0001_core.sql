-- +goose Up

-- One row that readiness writes to: a database that cannot commit is not ready.
CREATE TABLE heartbeat (id BIGINT PRIMARY KEY, beats BIGINT NOT NULL);
INSERT INTO heartbeat (id, beats) VALUES (1, 0);

CREATE TABLE conversations (
    id         TEXT PRIMARY KEY,
    actor      TEXT NOT NULL,
    agent_id   TEXT NOT NULL,
    title      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX conversations_by_actor ON conversations (actor, updated_at, id);

CREATE TABLE messages (
    id              TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    actor           TEXT NOT NULL,
    parent_id       TEXT,
    seq             BIGINT NOT NULL,  -- order of creation within the conversation
    role            TEXT NOT NULL,
    content         TEXT NOT NULL,    -- JSON: a string or a list of content parts
    items           TEXT NOT NULL,    -- JSON: the answer's output items (Responses vocabulary)
    status          TEXT NOT NULL,
    stopped_by      TEXT NOT NULL,
    error_code      TEXT NOT NULL,
    error_message   TEXT NOT NULL,
    agent_id        TEXT NOT NULL,
    trace_id        TEXT NOT NULL,    -- the answer's client_request_id, or a foreign id that was imported
    trace_summary   TEXT NOT NULL,    -- JSON, empty while unknown
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (conversation_id, seq)
);

-- The name of every answer and the way to its trace. A link outlives the text
-- it belongs to, so it has no foreign key.
CREATE TABLE links (
    client_request_id TEXT PRIMARY KEY,
    actor             TEXT NOT NULL,  -- owner; empty for a foreign id, which belongs to nobody
    agent_id          TEXT NOT NULL,
    agent_version     TEXT NOT NULL,
    experiment_id     TEXT NOT NULL,
    conversation_id   TEXT NOT NULL,
    message_id        TEXT NOT NULL,
    trace_by          TEXT NOT NULL,  -- agent, gateway or foreign
    status            TEXT NOT NULL,  -- of the answer: streaming, completed, stopped, failed
    trace_id          TEXT NOT NULL,  -- MLflow's id once it is settled; first writer wins
    told_trace_id     TEXT NOT NULL,  -- what the agent's stream said
    started_at        BIGINT NOT NULL,
    ended_at          BIGINT NOT NULL,
    recorded_at       BIGINT NOT NULL -- when our own trace was recorded; 0 = not (yet)
);
CREATE INDEX links_by_conversation ON links (conversation_id);
CREATE INDEX links_streaming ON links (status) WHERE status = 'streaming';

-- The trace of an answer as it is to be written to MLflow. It goes once it is
-- recorded, and loses its texts when the conversation is deleted.
CREATE TABLE turns (
    client_request_id TEXT PRIMARY KEY,
    record            TEXT NOT NULL   -- JSON, mlflowtrace.Trace
);

CREATE TABLE feedback (
    id                TEXT PRIMARY KEY,
    target            TEXT NOT NULL,
    kind              TEXT NOT NULL,
    name              TEXT NOT NULL,
    actor             TEXT NOT NULL,
    source_id         TEXT NOT NULL,
    value             TEXT NOT NULL,  -- JSON
    rationale         TEXT NOT NULL,
    reasons           TEXT NOT NULL,  -- JSON list
    metadata          TEXT NOT NULL,  -- JSON object of strings
    version           BIGINT NOT NULL,
    withdrawn         BOOLEAN NOT NULL,
    delivery          TEXT NOT NULL,
    delivery_reason   TEXT NOT NULL,
    delivered_version BIGINT NOT NULL,
    trace_id          TEXT NOT NULL,  -- where it was delivered to
    assessment_id     TEXT NOT NULL,
    conversation_id   TEXT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    UNIQUE (target, kind, name, actor, source_id)
);
CREATE INDEX feedback_by_time ON feedback (created_at, id);
CREATE INDEX feedback_by_conversation ON feedback (conversation_id);

-- A job is due when not_before has passed. Leasing one moves not_before to the
-- end of the lease, so a worker that dies gives it back by doing nothing.
CREATE TABLE jobs (
    kind        TEXT NOT NULL,
    key         TEXT NOT NULL,
    version     BIGINT NOT NULL,      -- grows with each enqueue; a worker settles only what it saw
    failed      BOOLEAN NOT NULL,     -- given up until somebody asks for a retry
    not_before  BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    lease_token TEXT NOT NULL,        -- empty while nobody works on it
    last_error  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX jobs_due ON jobs (failed, not_before);

-- +goose Down
DROP TABLE jobs;
DROP TABLE feedback;
DROP TABLE turns;
DROP TABLE links;
DROP TABLE messages;
DROP TABLE conversations;
DROP TABLE heartbeat;
