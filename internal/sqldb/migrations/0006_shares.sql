-- +goose Up

-- Read-only links to conversations, at most one each. What is shown is the
-- branch that ends at leaf_id, as it was when it was shared.
CREATE TABLE shares (
    conversation_id TEXT PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
    actor           TEXT NOT NULL,         -- whose conversation it is
    hash            TEXT NOT NULL UNIQUE,  -- SHA-256 of the token in the link, hex; the token itself is nowhere
    leaf_id         TEXT NOT NULL,
    title           TEXT NOT NULL,         -- as it was then
    created_at      BIGINT NOT NULL
);
CREATE INDEX shares_by_actor ON shares (actor, created_at, conversation_id);

-- +goose Down
DROP TABLE shares;
