-- Digest of a message without its interval of the duplicate check: equal messages of several
-- requests must differ in that, or WeCom takes the second for a repetition of the first.
ALTER TABLE requests ADD COLUMN message_sha256 BYTEA CHECK (octet_length(message_sha256) = 32);

CREATE INDEX requests_message_sha256 ON requests (message_sha256) WHERE message_sha256 IS NOT NULL;
