//! What callers ask of chats. A lost answer or a refusal that may come of one is
//! settled by reading the chat.

use tokio::time::Instant;

use super::{CHAT_EXISTS, Chat, Create, Get, MEMBER_ILLEGAL, NOT_OURS, RenderedSend, Send, Update};
use crate::wecom::call::Call;
use crate::wecom::client::{Client, UNREACHABLE_WAIT};
use crate::wecom::error::{Error, Refusal, Result};

/// What became of a [`Create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The chat's id.
    pub chat_id: String,
    /// Whether WeCom had the chat already, by this call or an earlier one.
    pub existing: bool,
}

impl Client {
    /// Makes a chat. One that WeCom has already by this id is a success when it is
    /// the chat asked for.
    pub async fn create_chat(&self, create: &Create, deadline: Instant) -> Result<Created> {
        let created = |chat_id: &str, existing| Created {
            chat_id: chat_id.to_owned(),
            existing,
        };
        let error = match self.call(create, deadline).await {
            Ok(made) => {
                let chat_id = match made.chat_id.as_str() {
                    "" => &create.chat_id,
                    chat_id => chat_id,
                };
                self.chats().learn(chat_id, &create.user_ids).await;
                return Ok(created(chat_id, false));
            }
            Err(error) => error,
        };
        let Some(refusal) = refused_with(&error, CHAT_EXISTS) else {
            return Err(error);
        };
        let taken = Error::Refused {
            path: Create::PATH,
            refusal: refusal.clone(),
        };
        let get = Get {
            chat_id: create.chat_id.clone(),
        };
        match self.get_chat(&get, deadline).await {
            Ok(chat) if create.is_met_by(&chat) => Ok(created(&create.chat_id, true)),
            Ok(_) => Err(taken),
            Err(Error::Refused { refusal, .. }) if NOT_OURS.contains(&refusal.errcode) => {
                Err(taken)
            }
            // Nothing was made by this call, and nobody knows by which: to ask again
            // does no harm.
            Err(unread) if error.nothing_was_done() => Err(unread),
            Err(_) => Err(error),
        }
    }

    /// Reads a chat.
    pub async fn get_chat(&self, get: &Get, deadline: Instant) -> Result<Chat> {
        let chat = self.call(get, deadline).await?.chat;
        self.chats().learn(&get.chat_id, &chat.user_ids).await;
        Ok(chat)
    }

    /// Changes a chat.
    pub async fn update_chat(&self, update: &Update, deadline: Instant) -> Result<()> {
        let error = match self.call(update, deadline).await {
            Ok(_) => {
                self.chats().change(update).await;
                return Ok(());
            }
            Err(error) => error,
        };
        if error.nothing_was_done() {
            return Err(error);
        }
        self.chats().forget(&update.chat_id).await;
        let Some(refusal) = refused_with(&error, MEMBER_ILLEGAL) else {
            return Err(harmless(error));
        };
        let get = Get {
            chat_id: update.chat_id.clone(),
        };
        // Refused because of the first attempt, whose answer was lost, or because
        // the members were never right: the chat tells.
        if update.is_met_by(&self.get_chat(&get, deadline).await?) {
            return Ok(());
        }
        Err(Error::Refused {
            path: Update::PATH,
            refusal: refusal.clone(),
        })
    }

    /// Checks a message, uploads the media in it, and sends it to its chat. Where
    /// WeCom has lost media that were uploaded earlier for the same bytes, it does so
    /// once more.
    pub async fn send_to_chat(&self, mut send: Send, deadline: Instant) -> Result<()> {
        let violations = send.check();
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let mut spare = send.spare();
        loop {
            let members = self.chats().members(self, &send.chat_id, deadline).await?;
            let uploads = self.upload(send.content.inline_media(), deadline).await?;
            let rendered = RenderedSend::new(&send, members)?;
            let Err(error) = self.call(&rendered, deadline).await else {
                return Ok(());
            };
            if let Error::Refused { refusal, .. } = &error
                && NOT_OURS.contains(&refusal.errcode)
            {
                self.chats().forget(&send.chat_id).await;
            }
            let lost = self.media_was_lost(&uploads, &error).await;
            match spare.take() {
                Some(again) if lost => send = again,
                _ => return Err(error),
            }
        }
    }
}

/// The refusal, if WeCom's last word was this errcode.
fn refused_with(error: &Error, errcode: i64) -> Option<&Refusal> {
    let refusal = match error {
        Error::Refused { refusal, .. } => refusal,
        Error::OutcomeUnknown { refusal, .. } => refusal.as_ref()?,
        _ => return None,
    };
    (refusal.errcode == errcode).then_some(refusal)
}

/// The error of a change that may be repeated whatever became of it.
fn harmless(error: Error) -> Error {
    match error {
        Error::OutcomeUnknown { path, reason, .. } => Error::Unreachable {
            path,
            reason,
            retry_after: UNREACHABLE_WAIT,
        },
        Error::Deadline { path, .. } => Error::Deadline { path, sent: false },
        error => error,
    }
}
