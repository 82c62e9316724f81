//! Takes a message back: message/recall, within 24 hours of its sending, from
//! WeCom clients and not from the WeChat plugin.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/94867>

use serde::Serialize;
use serde::de::IgnoredAny;

use crate::wecom::call::{Call, Payload, Repeat};
use crate::wecom::check::{ANY_LENGTH, Checker, Path};
use crate::wecom::violation::Violation;

/// One call of message/recall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recall {
    /// Required: [`Sent::message_id`](super::Sent) of a send by the same app.
    #[serde(rename = "msgid")]
    pub message_id: String,
}

impl Recall {
    /// Every broken rule.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let message_id = Path::ROOT.field("message_id");
        found.opaque(&message_id, &self.message_id, 1..=ANY_LENGTH);
        found.into_violations()
    }
}

impl Call for Recall {
    const PATH: &'static str = "message/recall";
    /// WeCom says nothing beside the errcode.
    type Reply = IgnoredAny;

    /// A message that is gone cannot go again.
    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}
