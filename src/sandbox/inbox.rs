//! What members received.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::log::Log;

/// One accepted message/send.
pub(super) struct Message {
    pub(super) msgid: String,
    pub(super) agent_id: u32,
    pub(super) msg_type: String,
    /// The request as it came.
    pub(super) body: Bytes,
    /// The content as members see it: cut, and with ids translated.
    pub(super) shown: Value,
    pub(super) delivered_to: Vec<Arc<str>>,
    /// Members for whom the app was over its limit.
    pub(super) dropped: Vec<Arc<str>>,
    pub(super) unlicensed: Vec<Arc<str>>,
    pub(super) invalid: Invalid,
    /// The fields that were cut.
    pub(super) cut: Vec<String>,
    pub(super) response_code: Option<String>,
    pub(super) time_unix_ms: u64,
    pub(super) offset_ms: u64,
}

/// Recipients that could not be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) users: Vec<String>,
    pub(super) parties: Vec<String>,
    pub(super) tags: Vec<String>,
}

impl Message {
    fn to_json(&self) -> Value {
        json!({
            "msgid": self.msgid,
            "agentid": self.agent_id,
            "msgtype": self.msg_type,
            "body": serde_json::from_slice::<Value>(&self.body).unwrap_or_default(),
            "shown": self.shown,
            "delivered_to": texts(&self.delivered_to),
            "dropped": texts(&self.dropped),
            "unlicensed": texts(&self.unlicensed),
            "invalid": {
                "users": self.invalid.users,
                "parties": self.invalid.parties,
                "tags": self.invalid.tags,
            },
            "cut": self.cut,
            "response_code": self.response_code,
            "time": self.time_unix_ms,
            "time_offset_ms": self.offset_ms,
        })
    }

    fn reached(&self, user_id: &str) -> bool {
        self.delivered_to
            .iter()
            .any(|id| id.eq_ignore_ascii_case(user_id))
    }
}

fn texts(ids: &[Arc<str>]) -> Vec<&str> {
    ids.iter().map(|id| &**id).collect()
}

/// All messages, oldest first, within bounds.
pub(super) struct Inbox(Log<Message>);

impl Inbox {
    pub(super) fn new() -> Self {
        Self(Log::new())
    }

    pub(super) fn push(&mut self, message: Message) {
        let ids = message.delivered_to.len() + message.dropped.len() + message.unlicensed.len();
        let bytes = 2 * message.body.len() + ids * size_of::<Arc<str>>();
        self.0.push(message, bytes);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The newest `limit` messages, of one member if named, newest last.
    pub(super) fn to_json(&self, user_id: Option<&str>, limit: usize) -> Value {
        let wanted = |message: &Message| user_id.is_none_or(|id| message.reached(id));
        let messages = self.0.newest(limit, wanted);
        messages.into_iter().map(Message::to_json).collect()
    }
}
