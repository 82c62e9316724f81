//! What members received.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::clock::Clock;
use super::log::Log;

/// Changes kept of one card. A template card changes once, a task card as often as
/// its app likes.
const MAX_UPDATES: usize = 100;

/// One accepted message/send or appchat/send.
pub(super) struct Message {
    pub(super) msgid: String,
    /// The chat, if it was sent to one.
    pub(super) chat_id: Option<String>,
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
    pub(super) response_code_used: bool,
    pub(super) task_id: Option<String>,
    pub(super) recalled: bool,
    /// Not shown any more. WeCom still knows it.
    pub(super) forgotten: bool,
    /// What became of the card, for whom.
    pub(super) updates: Vec<Update>,
    pub(super) time_unix_ms: u64,
    pub(super) offset_ms: u64,
}

/// One change of a card.
pub(super) struct Update {
    pub(super) user_ids: Vec<Arc<str>>,
    pub(super) change: Change,
    pub(super) time_unix_ms: u64,
}

/// What the members see instead.
pub(super) enum Change {
    /// Grey buttons with this text; empty if only the clicked one was named.
    Buttons {
        replace_name: String,
        clicked_key: String,
    },
    /// Another card.
    Card(Value),
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
            "msgid": self.chat_id.is_none().then_some(&self.msgid),
            "chatid": self.chat_id,
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
            "recalled": self.recalled,
            "updates": self.updates.iter().map(Update::to_json).collect::<Value>(),
            "time": self.time_unix_ms,
            "time_offset_ms": self.offset_ms,
        })
    }

    /// Whether WeCom gave out this msgid; none for a message in a chat.
    pub(super) fn has_msgid(&self, msgid: &str) -> bool {
        self.chat_id.is_none() && self.msgid == msgid
    }

    /// How long ago it was sent.
    pub(super) fn age(&self, now: Clock) -> Duration {
        Duration::from_millis(now.offset_ms().saturating_sub(self.offset_ms))
    }

    /// Notes what became of the card.
    pub(super) fn update(&mut self, update: Update) {
        if self.updates.len() == MAX_UPDATES {
            self.updates.remove(0);
        }
        self.updates.push(update);
    }

    fn reached(&self, user_id: &str) -> bool {
        self.delivered_to
            .iter()
            .any(|id| id.eq_ignore_ascii_case(user_id))
    }
}

impl Update {
    fn to_json(&self) -> Value {
        let (replace_name, clicked_key, card) = match &self.change {
            Change::Buttons {
                replace_name,
                clicked_key,
            } => (Some(replace_name), Some(clicked_key), None),
            Change::Card(card) => (None, None, Some(card)),
        };
        json!({
            "user_ids": texts(&self.user_ids),
            "replace_name": replace_name.filter(|text| !text.is_empty()),
            "clicked_key": clicked_key.filter(|text| !text.is_empty()),
            "template_card": card,
            "time": self.time_unix_ms,
        })
    }
}

pub(super) fn texts(ids: &[Arc<str>]) -> Vec<&str> {
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

    /// Shows nothing any more. What was sent can still be recalled and updated.
    pub(super) fn clear(&mut self) {
        for message in self.0.iter_mut() {
            message.forgotten = true;
        }
    }

    /// The newest message that `wanted` likes.
    pub(super) fn find(&mut self, wanted: impl Fn(&Message) -> bool) -> Option<&mut Message> {
        self.0.iter_mut().rev().find(|message| wanted(message))
    }

    /// The newest `limit` messages, of one member if named, newest last.
    pub(super) fn to_json(&self, user_id: Option<&str>, limit: usize) -> Value {
        let wanted =
            |message: &Message| !message.forgotten && user_id.is_none_or(|id| message.reached(id));
        let messages = self.0.newest(limit, wanted);
        messages.into_iter().map(Message::to_json).collect()
    }
}
