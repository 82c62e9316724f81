-- Logins of people. Times are unix milliseconds. States and codes are kept as their
-- SHA-256 only; whoever reads this file can use neither.

-- States that were handed out and did not come back yet; each works once.
CREATE TABLE login_states (
    state_sha256 BYTEA NOT NULL PRIMARY KEY CHECK (length(state_sha256) = 32),
    app          TEXT NOT NULL,
    caller       TEXT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE INDEX login_states_expires_at ON login_states (expires_at);

-- Codes that were brought; a row is there before WeCom is asked.
-- answer is opaque, and absent until there is one.
CREATE TABLE login_codes (
    code_sha256  BYTEA NOT NULL PRIMARY KEY CHECK (length(code_sha256) = 32),
    app          TEXT NOT NULL,
    caller       TEXT NOT NULL,
    state_sha256 BYTEA NOT NULL CHECK (length(state_sha256) = 32),
    answer       BYTEA,
    brought_at   BIGINT NOT NULL
);

CREATE INDEX login_codes_brought_at ON login_codes (brought_at);

-- Sessions that were ended before their time, until that time.
CREATE TABLE revoked_sessions (
    session_id BYTEA NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
    expires_at BIGINT NOT NULL
);

CREATE INDEX revoked_sessions_expires_at ON revoked_sessions (expires_at);
