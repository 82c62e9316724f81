-- Bulk jobs. Times are unix milliseconds. No foreign keys: a removed job leaves at once, and
-- what belonged to it follows in small commits.

-- state: 1 accepted, 2 running, 3 paused, 4 completed, 5 cancelled, 6 expired.
-- counts: seven big-endian u32, one for each outcome from 1 on.
CREATE TABLE bulk_jobs (
    id                     TEXT    NOT NULL PRIMARY KEY,
    app                    TEXT    NOT NULL,
    caller                 TEXT    NOT NULL,
    request_id             TEXT,
    request_sha256         BLOB    NOT NULL CHECK (length(request_sha256) = 32),
    item_count             INTEGER NOT NULL,
    folded_item_count      INTEGER NOT NULL,
    accepted_at_ms         INTEGER NOT NULL,
    deadline_ms            INTEGER NOT NULL,
    window_seconds         INTEGER,
    resend_unknown         INTEGER NOT NULL CHECK (resend_unknown IN (0, 1)),
    cancel_requested_at_ms INTEGER,
    state                  INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6),
    pause                  BLOB,
    counts                 BLOB    NOT NULL CHECK (length(counts) = 28),
    settled_item_count     INTEGER NOT NULL,
    batch_count            INTEGER NOT NULL,
    finished_batch_count   INTEGER NOT NULL,
    last_sequence          INTEGER NOT NULL,
    started_at_ms          INTEGER,
    finished_at_ms         INTEGER,
    UNIQUE (caller, request_id)
) STRICT;

CREATE INDEX bulk_jobs_open ON bulk_jobs (app) WHERE state <= 3;
CREATE INDEX bulk_jobs_newest ON bulk_jobs (caller, accepted_at_ms, id);
CREATE INDEX bulk_jobs_finished ON bulk_jobs (finished_at_ms) WHERE finished_at_ms IS NOT NULL;

CREATE TABLE bulk_contents (
    job    TEXT    NOT NULL,
    number INTEGER NOT NULL,
    body   BLOB    NOT NULL,
    PRIMARY KEY (job, number)
) STRICT;

-- state: 0 ready at at_ms, 1 sending since at_ms, 2 settled at at_ms.
-- exceptions: three bytes each, big-endian place and outcome.
-- recall: absent untried, 1 taken back, 2 refused.
CREATE TABLE bulk_batches (
    job            TEXT    NOT NULL,
    number         INTEGER NOT NULL,
    origin         INTEGER NOT NULL,
    content        INTEGER NOT NULL,
    item_count     INTEGER NOT NULL,
    state          INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    at_ms          INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    interruptions  INTEGER NOT NULL,
    resent         INTEGER NOT NULL CHECK (resent IN (0, 1)),
    doubt_since_ms INTEGER,
    outcome        INTEGER CHECK (outcome BETWEEN 1 AND 7),
    errcode        INTEGER,
    detail         TEXT,
    exceptions     BLOB,
    message_id     TEXT,
    response_code  TEXT,
    recall         INTEGER CHECK (recall IN (1, 2)),
    recall_errcode INTEGER,
    recall_detail  TEXT,
    PRIMARY KEY (job, number),
    CHECK (state <> 2 OR (outcome IS NOT NULL AND errcode IS NOT NULL
        AND detail IS NOT NULL AND exceptions IS NOT NULL))
) STRICT;

CREATE INDEX bulk_batches_open ON bulk_batches (job, number) WHERE state <> 2;

-- Apart from the batches, so that moving a batch on does not write its items again.
-- places: where each item stood in the upload, as differences in LEB128.
CREATE TABLE bulk_items (
    job      TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    user_ids TEXT    NOT NULL,
    places   BLOB    NOT NULL,
    PRIMARY KEY (job, number)
) STRICT;

CREATE TABLE bulk_events (
    job      TEXT    NOT NULL,
    sequence INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    payload  BLOB    NOT NULL,
    PRIMARY KEY (job, sequence)
) STRICT;

-- Who drives an app. holder is absent when the lane is free.
CREATE TABLE bulk_lanes (
    app           TEXT    NOT NULL PRIMARY KEY,
    term          INTEGER NOT NULL,
    holder        TEXT,
    expires_at_ms INTEGER NOT NULL,
    latest_ms     INTEGER NOT NULL,
    note          BLOB
) STRICT;

CREATE TABLE bulk_numbers (
    app  TEXT    NOT NULL PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;

-- Jobs that were removed, and what belonged to them was not yet.
CREATE TABLE bulk_removed (
    job TEXT NOT NULL PRIMARY KEY
) STRICT;

-- One row, to take turns at the limits on what is open.
CREATE TABLE bulk_gate (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1)
) STRICT;
INSERT INTO bulk_gate VALUES (1);
