//! Group chats of apps: the contract's to ours, and WeCom's answers back.

use super::content::content_at;
use super::message::safe;
use crate::grpc::pb;
use crate::wecom::Violation;
use crate::wecom::app_chat::{self, Chat, Create, Created, Get, Send, Update};
use crate::wecom::check::{Checker, Path};
use crate::wecom::id;

/// A creation that breaks no rule. The chat gets an id here when the caller chose
/// none, so that the creation can be repeated.
pub(in crate::grpc) fn create(request: pb::CreateChatRequest) -> Result<Create, Vec<Violation>> {
    let create = Create {
        name: request.name,
        owner_user_id: request.owner_user_id,
        user_ids: request.user_ids,
        chat_id: match request.chat_id {
            none if none.is_empty() => app_chat::new_chat_id(),
            chosen => chosen,
        },
    };
    none(create.check()).map(|()| create)
}

/// The answer to a creation.
pub(in crate::grpc) fn created(created: Created) -> pb::CreateChatResponse {
    let Created { chat_id, existing } = created;
    pb::CreateChatResponse { chat_id, existing }
}

/// A reading that breaks no rule.
pub(in crate::grpc) fn get(request: pb::GetChatRequest) -> Result<Get, Vec<Violation>> {
    let get = Get {
        chat_id: request.chat_id,
    };
    none(get.check()).map(|()| get)
}

/// The chat that was asked for, with the id that was asked for.
pub(in crate::grpc) fn got(get: &Get, chat: Chat) -> pb::GetChatResponse {
    let kind = match chat.kind {
        Some(0) => pb::ChatKind::Normal,
        Some(1) => pb::ChatKind::Course,
        _ => pb::ChatKind::Unspecified,
    };
    let chat = pb::Chat {
        chat_id: get.chat_id.clone(),
        name: chat.name,
        owner_user_id: chat.owner_user_id,
        user_ids: chat.user_ids,
        kind: kind.into(),
    };
    pb::GetChatResponse { chat: Some(chat) }
}

/// A change that breaks no rule.
pub(in crate::grpc) fn update(request: pb::UpdateChatRequest) -> Result<Update, Vec<Violation>> {
    let update = Update {
        chat_id: request.chat_id,
        name: request.name,
        owner_user_id: request.owner_user_id,
        add_user_ids: request.add_user_ids,
        remove_user_ids: request.remove_user_ids,
    };
    none(update.check()).map(|()| update)
}

/// The message that a request asks for; its rules are still to be checked, by
/// [`Send::check`]. A request that cannot be converted gets the violations of those
/// rules too, so that the caller mends everything in one go.
pub(in crate::grpc) fn send(request: pb::SendChatMessageRequest) -> Result<Send, Vec<Violation>> {
    let mut found = Checker::default();
    let root = Path::ROOT;
    let content = content_at(&root.field("content"), request.content, &mut found);
    let safe = safe(&root.field("safe"), request.safe, &mut found);
    let Some(content) = content else {
        found.id(&root.field("chat_id"), id::chat_id(&request.chat_id));
        return Err(found.into_violations());
    };
    let send = Send {
        chat_id: request.chat_id,
        content,
        safe,
    };
    let mut violations = found.into_violations();
    if violations.is_empty() {
        return Ok(send);
    }
    violations.extend(send.check());
    Err(violations)
}

fn none(violations: Vec<Violation>) -> Result<(), Vec<Violation>> {
    match violations.is_empty() {
        true => Ok(()),
        false => Err(violations),
    }
}

#[cfg(test)]
mod tests;
