-- +goose Up

-- One trace carries the ratings of one answer: who asks for a trace by its id is
-- led to its answer, and no second answer may claim it.
CREATE INDEX links_by_trace ON links (trace_id) WHERE trace_id <> '';

-- +goose Down
DROP INDEX links_by_trace;
