//! A message in a chat: appchat/send.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90248>

use std::sync::Arc;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::ser::{SerializeMap, Serializer};

use crate::wecom::call::{Call, ChatShare, Payload, Repeat};
use crate::wecom::check::{Checker, Path};
use crate::wecom::content::{Content, Occasion, TaskCardName};
use crate::wecom::error::{Error, Result};
use crate::wecom::id;
use crate::wecom::message::{Safe, check_safe};
use crate::wecom::violation::Violation;

/// One call of appchat/send.
#[derive(Debug, Clone, PartialEq)]
pub struct Send {
    /// Where.
    pub chat_id: String,
    /// What it says.
    pub content: Content,
    /// Whether it may be forwarded; left to WeCom when absent.
    pub safe: Option<Safe>,
}

impl Send {
    /// Every broken rule of WeCom's reference, in the order of the fields.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let root = Path::ROOT;
        let occasion = Occasion::AppChat;
        found.id(&root.field("chat_id"), id::chat_id(&self.chat_id));
        self.content
            .check(&root.field("content"), occasion, &mut found);
        if let Some(safe) = self.safe {
            check_safe(
                &root.field("safe"),
                safe,
                &self.content,
                occasion,
                &mut found,
            );
        }
        found.into_violations()
    }

    /// A copy, if media stand in the message as bytes: enough to upload them again.
    /// The bytes are shared.
    pub(super) fn spare(&mut self) -> Option<Self> {
        let inline = self.content.inline_media().next().is_some();
        inline.then(|| self.clone())
    }

    /// The request body. Fails on media that are still inline.
    fn body(&self) -> std::result::Result<Vec<u8>, serde_json::Error> {
        // A chat takes no task card: the name of the kind is of no account.
        let task_card = TaskCardName::InteractiveTaskcard;
        let msgtype = self.content.msgtype(task_card);
        let mut body = Vec::with_capacity(128 + self.content.size_hint());
        let mut serializer = serde_json::Serializer::new(&mut body);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("chatid", &self.chat_id)?;
        map.serialize_entry("msgtype", msgtype)?;
        map.serialize_entry(msgtype, &self.content.payload(task_card))?;
        if let Some(safe) = self.safe {
            map.serialize_entry("safe", &(safe as u8))?;
        }
        map.end()?;
        Ok(body)
    }
}

/// appchat/send with its body.
pub struct RenderedSend {
    body: Bytes,
    members: Arc<[String]>,
}

impl RenderedSend {
    /// The bytes of a checked message to a chat with these members. Fails on media
    /// that are still inline.
    pub fn new(send: &Send, members: Arc<[String]>) -> Result<Self> {
        let body = send
            .body()
            .map_err(|error| Error::Internal(format!("cannot render the message: {error}")))?;
        Ok(Self {
            body: body.into(),
            members,
        })
    }
}

impl Call for RenderedSend {
    const PATH: &'static str = "appchat/send";
    /// WeCom says nothing beside the errcode.
    type Reply = IgnoredAny;

    /// WeCom has no duplicate check here.
    fn repeat(&self) -> Repeat {
        Repeat::WhileUnsent
    }

    fn payload(&self) -> Payload {
        Payload::Json(self.body.clone())
    }

    fn chat_share(&self) -> Option<ChatShare<'_>> {
        Some(ChatShare::Message(&self.members))
    }
}
