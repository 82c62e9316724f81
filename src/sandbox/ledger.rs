//! What was called: the witness that tests ask what really went over the wire.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::call::Call;
use super::log::Log;

/// JSON bodies above this are kept only as length and hash. A thousand userids
/// of the longest kind (64 bytes) are 65 KB.
const MAX_KEPT_BODY: usize = 256 * 1024;

/// One call to the API.
pub(super) struct Entry {
    method: String,
    path: String,
    sha256: String,
    body_length: usize,
    body: Option<Bytes>,
    offset_ms: u64,
    pub(super) answered: Answered,
}

/// What became of the call, and what the caller was told.
#[derive(Default)]
pub(super) struct Answered {
    /// The errcode sent, if JSON was sent.
    pub(super) errcode: Option<i64>,
    /// The HTTP status sent, unless the socket was cut.
    pub(super) status: Option<u16>,
    /// The call took effect, whatever the caller was told.
    pub(super) accepted: bool,
    /// The duplicate check swallowed it.
    pub(super) duplicate: bool,
    /// The fault that hit the call.
    pub(super) fault: Option<&'static str>,
}

impl Entry {
    pub(super) fn new(call: &Call, offset_ms: u64, answered: Answered) -> Self {
        let keep =
            call.body.len() <= MAX_KEPT_BODY && call.body.trim_ascii_start().starts_with(b"{");
        Self {
            method: call.method.to_string(),
            path: call.path.clone(),
            sha256: hex::encode(Sha256::digest(&call.body)),
            body_length: call.body.len(),
            body: keep.then(|| call.body.clone()),
            offset_ms,
            answered,
        }
    }

    fn to_json(&self) -> Value {
        let body = self.body.as_deref();
        json!({
            "method": self.method,
            "path": self.path,
            "errcode": self.answered.errcode,
            "status": self.answered.status,
            "sha256": self.sha256,
            "body_length": self.body_length,
            "body": body.and_then(|body| serde_json::from_slice::<Value>(body).ok()),
            "accepted": self.answered.accepted,
            "duplicate": self.answered.duplicate,
            "fault": self.answered.fault,
            "time_offset_ms": self.offset_ms,
        })
    }
}

/// All calls, oldest first, within bounds.
pub(super) struct Ledger(Log<Entry>);

impl Ledger {
    pub(super) fn new() -> Self {
        Self(Log::new())
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let bytes = entry.body.as_ref().map_or(0, Bytes::len) + size_of::<Entry>();
        self.0.push(entry, bytes);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The newest `limit` calls, of one path if named, newest last.
    pub(super) fn to_json(&self, path: Option<&str>, limit: usize) -> Value {
        let wanted = |entry: &Entry| path.is_none_or(|path| entry.path == path);
        self.0
            .newest(limit, wanted)
            .into_iter()
            .map(Entry::to_json)
            .collect()
    }
}
