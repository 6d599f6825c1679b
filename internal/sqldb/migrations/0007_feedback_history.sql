-- +goose Up

-- Whose answer it was: what lists, exports and figures ask for. It stays what it
-- was when the feedback was first given.
ALTER TABLE feedback ADD COLUMN agent_id TEXT NOT NULL DEFAULT '';
ALTER TABLE feedback ADD COLUMN agent_version TEXT NOT NULL DEFAULT '';
UPDATE feedback SET
    agent_id = COALESCE((SELECT l.agent_id FROM links l WHERE l.client_request_id = feedback.answer), ''),
    agent_version = COALESCE((SELECT l.agent_version FROM links l WHERE l.client_request_id = feedback.answer), '');

-- What became of its deliveries, the newest last: a bounded JSON list.
ALTER TABLE feedback ADD COLUMN history TEXT NOT NULL DEFAULT '[]';

-- +goose Down
ALTER TABLE feedback DROP COLUMN history;
ALTER TABLE feedback DROP COLUMN agent_version;
ALTER TABLE feedback DROP COLUMN agent_id;
