-- Request ids of unary sends. Times are unix milliseconds.
-- state: 0 begun, nothing was sent; 1 intended, may have been sent; 2 ended, answer is final.
CREATE TABLE requests (
    caller           TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    request_sha256   BYTEA NOT NULL CHECK (length(request_sha256) = 32),
    state            BIGINT NOT NULL CHECK (state IN (0, 1, 2)),
    body             BYTEA,
    first_attempt_at BIGINT,
    window_seconds   BIGINT,
    answer           BYTEA,
    created_at       BIGINT NOT NULL,
    PRIMARY KEY (caller, request_id),
    CHECK (state <> 1 OR (body IS NOT NULL AND first_attempt_at IS NOT NULL AND window_seconds IS NOT NULL)),
    CHECK ((state = 2) = (answer IS NOT NULL))
);

-- For expiry, and for the latest time that the store was told.
CREATE INDEX requests_created_at ON requests (created_at);
