-- +goose Up

-- What a job still owes after it is done: 2 when a worker that may yet write to
-- MLflow was cut off, 1 when the look that comes one lease later is due.
ALTER TABLE jobs ADD COLUMN verify BIGINT NOT NULL DEFAULT 0;

-- The answer whose trace carries the feedback: the target, or for a whole
-- conversation its newest answer when it was first rated.
ALTER TABLE feedback ADD COLUMN answer TEXT NOT NULL DEFAULT '';
UPDATE feedback SET answer = target;
CREATE INDEX feedback_waiting ON feedback (answer) WHERE delivery <> 'delivered';

-- Answers to requests with an Idempotency-Key, kept for a day.
CREATE TABLE idempotency (
    actor      TEXT NOT NULL,         -- who sent it; others' equal keys are other keys
    key        TEXT NOT NULL,
    body       TEXT NOT NULL,         -- digest of what was sent
    answer     TEXT NOT NULL,         -- JSON, one entry per item
    created_at BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- +goose Down
DROP TABLE idempotency;
DROP INDEX feedback_waiting;
ALTER TABLE feedback DROP COLUMN answer;
ALTER TABLE jobs DROP COLUMN verify;
