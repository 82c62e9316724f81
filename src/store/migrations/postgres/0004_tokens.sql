-- Access tokens that replicas share, and whose turn it is to fetch the next. Times are unix
-- milliseconds. sealed is opaque, and absent before there is one.
CREATE TABLE shared_tokens (
    key           TEXT   NOT NULL PRIMARY KEY,
    sealed        BYTEA,
    generation    BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    holder        TEXT,
    held_until_ms BIGINT NOT NULL
);
