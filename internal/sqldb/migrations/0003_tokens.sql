-- +goose Up

-- API tokens. A revoked one keeps its row: its name is the subject that owns
-- what it wrote, and must never pass to somebody else.
CREATE TABLE tokens (
    name       TEXT PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,  -- SHA-256 of the token, hex; the token itself is nowhere
    scopes     TEXT NOT NULL,         -- words, one space between
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL        -- 0 while it is good
);

-- +goose Down
DROP TABLE tokens;
