-- Bulk jobs. Times are unix milliseconds. No foreign keys: a removed job leaves at once, and
-- what belonged to it follows in small commits.

-- state: 1 accepted, 2 running, 3 paused, 4 completed, 5 cancelled, 6 expired.
-- counts: seven big-endian u32, one for each outcome from 1 on.
CREATE TABLE bulk_jobs (
    id                     TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    app                    TEXT COLLATE "C"    NOT NULL,
    caller                 TEXT COLLATE "C"    NOT NULL,
    request_id             TEXT,
    request_sha256         BYTEA NOT NULL CHECK (length(request_sha256) = 32),
    item_count             BIGINT NOT NULL,
    folded_item_count      BIGINT NOT NULL,
    accepted_at_ms         BIGINT NOT NULL,
    deadline_ms            BIGINT NOT NULL,
    window_seconds         BIGINT,
    resend_unknown         BIGINT NOT NULL CHECK (resend_unknown IN (0, 1)),
    cancel_requested_at_ms BIGINT,
    state                  BIGINT NOT NULL CHECK (state BETWEEN 1 AND 6),
    pause                  BYTEA,
    counts                 BYTEA NOT NULL CHECK (length(counts) = 28),
    settled_item_count     BIGINT NOT NULL,
    batch_count            BIGINT NOT NULL,
    finished_batch_count   BIGINT NOT NULL,
    last_sequence          BIGINT NOT NULL,
    started_at_ms          BIGINT,
    finished_at_ms         BIGINT,
    UNIQUE (caller, request_id)
);

CREATE INDEX bulk_jobs_open ON bulk_jobs (app) WHERE state <= 3;
CREATE INDEX bulk_jobs_newest ON bulk_jobs (caller, accepted_at_ms, id);
CREATE INDEX bulk_jobs_finished ON bulk_jobs (finished_at_ms) WHERE finished_at_ms IS NOT NULL;

CREATE TABLE bulk_contents (
    job    TEXT COLLATE "C"    NOT NULL,
    number BIGINT NOT NULL,
    body   BYTEA NOT NULL,
    PRIMARY KEY (job, number)
);

-- state: 0 ready at at_ms, 1 sending since at_ms, 2 settled at at_ms.
-- exceptions: three bytes each, big-endian place and outcome.
-- recall: absent untried, 1 taken back, 2 refused.
CREATE TABLE bulk_batches (
    job            TEXT COLLATE "C"    NOT NULL,
    number         BIGINT NOT NULL,
    origin         BIGINT NOT NULL,
    content        BIGINT NOT NULL,
    item_count     BIGINT NOT NULL,
    state          BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    at_ms          BIGINT NOT NULL,
    attempts       BIGINT NOT NULL,
    interruptions  BIGINT NOT NULL,
    resent         BIGINT NOT NULL CHECK (resent IN (0, 1)),
    doubt_since_ms BIGINT,
    outcome        BIGINT CHECK (outcome BETWEEN 1 AND 7),
    errcode        BIGINT,
    detail         TEXT,
    exceptions     BYTEA,
    message_id     TEXT,
    response_code  TEXT,
    recall         BIGINT CHECK (recall IN (1, 2)),
    recall_errcode BIGINT,
    recall_detail  TEXT,
    PRIMARY KEY (job, number),
    CHECK (state <> 2 OR (outcome IS NOT NULL AND errcode IS NOT NULL
        AND detail IS NOT NULL AND exceptions IS NOT NULL))
);

CREATE INDEX bulk_batches_open ON bulk_batches (job, number) WHERE state <> 2;

-- Apart from the batches, so that moving a batch on does not write its items again.
-- places: where each item stood in the upload, as differences in LEB128.
CREATE TABLE bulk_items (
    job      TEXT COLLATE "C"    NOT NULL,
    number   BIGINT NOT NULL,
    user_ids TEXT NOT NULL,
    places   BYTEA NOT NULL,
    PRIMARY KEY (job, number)
);

CREATE TABLE bulk_events (
    job      TEXT COLLATE "C"    NOT NULL,
    sequence BIGINT NOT NULL,
    at_ms    BIGINT NOT NULL,
    payload  BYTEA NOT NULL,
    PRIMARY KEY (job, sequence)
);

-- Who drives an app. holder is absent when the lane is free.
CREATE TABLE bulk_lanes (
    app           TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    term          BIGINT NOT NULL,
    holder        TEXT,
    expires_at_ms BIGINT NOT NULL,
    latest_ms     BIGINT NOT NULL,
    note          BYTEA
);

CREATE TABLE bulk_numbers (
    app  TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
);

-- Jobs that were removed, and what belonged to them was not yet.
CREATE TABLE bulk_removed (
    job TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

-- One row, to take turns at the limits on what is open.
CREATE TABLE bulk_gate (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1)
);
INSERT INTO bulk_gate VALUES (1);
