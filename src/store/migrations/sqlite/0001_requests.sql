-- Request ids of unary sends. Times are unix milliseconds.
-- state: 0 begun, nothing was sent; 1 intended, may have been sent; 2 ended, answer is final.
CREATE TABLE requests (
    caller           TEXT    NOT NULL,
    request_id       TEXT    NOT NULL,
    request_sha256   BLOB    NOT NULL CHECK (length(request_sha256) = 32),
    state            INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    body             BLOB,
    first_attempt_at INTEGER,
    window_seconds   INTEGER,
    answer           BLOB,
    created_at       INTEGER NOT NULL,
    PRIMARY KEY (caller, request_id),
    CHECK (state <> 1 OR (body IS NOT NULL AND first_attempt_at IS NOT NULL AND window_seconds IS NOT NULL)),
    CHECK ((state = 2) = (answer IS NOT NULL))
) STRICT;

-- For expiry, and for the latest time that the store was told.
CREATE INDEX requests_created_at ON requests (created_at);
