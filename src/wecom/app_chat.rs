//! Group chats that an app owns (应用群聊): making, reading and changing them. What
//! is said in them is in `send`; what a caller asks for, which can take more than
//! one call, in `calls`.
//!
//! Sources, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90245> (create),
//! <https://developer.work.weixin.qq.com/document/path/98914> (get),
//! <https://developer.work.weixin.qq.com/document/path/98913> (update)

use std::collections::HashSet;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::call::{Call, ChatShare, Payload, Repeat};
use super::check::{Checker, Path};
use super::error::Refusal;
use super::id::{self, Caseless};
use super::message::check_user_ids;
use super::violation::Violation;

mod calls;
mod known;
mod send;

pub use calls::Created;
pub(super) use known::KnownChats;
pub use send::{RenderedSend, Send};

/// Longest name of a chat, in characters. WeCom cuts the rest without a word.
pub const NAME_MAX_CHARACTERS: usize = 50;
/// Fewest members of a chat.
pub const MEMBERS_MIN: usize = 2;
/// Most members of a chat. WeCom counts the app as one of them.
pub const MEMBERS_MAX: usize = 2000;

/// WeCom's code when the chat id of a new chat is taken.
const CHAT_EXISTS: i64 = 86215;
/// WeCom's code when a member to add is unknown, or one to remove is not there.
const MEMBER_ILLEGAL: i64 = 86216;
/// WeCom's codes when there is no such chat of this app: unknown, of another app,
/// dissolved.
const NOT_OURS: [i64; 4] = [40050, 49008, 86003, 86008];

/// A chat id that no other chat has: 32 letters and digits by chance, the first of
/// them no digit, because WeCom bounds chat ids that are numbers.
pub fn new_chat_id() -> String {
    let rest = std::iter::repeat_with(fastrand::alphanumeric).take(id::CHAT_ID_MAX_BYTES - 1);
    std::iter::once(fastrand::alphabetic())
        .chain(rest)
        .collect()
}

/// One call of appchat/create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Create {
    /// At most 50 characters. Empty: none is set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// One of `user_ids`. Empty: WeCom picks one.
    #[serde(rename = "owner", skip_serializing_if = "String::is_empty")]
    pub owner_user_id: String,
    /// 2 to 2000.
    #[serde(rename = "userlist")]
    pub user_ids: Vec<String>,
    /// Required, and new in the corp. With it WeCom recognises a repetition.
    #[serde(rename = "chatid")]
    pub chat_id: String,
}

impl Create {
    /// Every broken rule, in the order of the fields.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        check_name(&self.name, &mut found);
        let owner = Path::ROOT.field("owner_user_id");
        if !self.owner_user_id.is_empty() {
            found.id(&owner, id::user_id(&self.owner_user_id));
            if !contains(&self.user_ids, &self.owner_user_id) {
                found.add(&owner, format_args!("must be one of user_ids"));
            }
        }
        let user_ids = Path::ROOT.field("user_ids");
        check_user_ids(
            &user_ids,
            &self.user_ids,
            MEMBERS_MIN..=MEMBERS_MAX,
            &mut found,
        );
        found.id(&Path::ROOT.field("chat_id"), id::chat_id(&self.chat_id));
        found.into_violations()
    }

    /// Whether `chat` is the chat that this call would have made. What was left to
    /// WeCom may be anything.
    fn is_met_by(&self, chat: &Chat) -> bool {
        let wanted: HashSet<Caseless<'_>> = self.user_ids.iter().map(|id| Caseless(id)).collect();
        let there: HashSet<Caseless<'_>> = chat.user_ids.iter().map(|id| Caseless(id)).collect();
        wanted == there && is_as_asked(chat, &self.name, &self.owner_user_id)
    }
}

impl Call for Create {
    const PATH: &'static str = "appchat/create";
    type Reply = Made;

    /// The same chat id cannot give two chats: WeCom answers 86215.
    fn repeat(&self) -> Repeat {
        Repeat::SameBytes
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }

    fn chat_share(&self) -> Option<ChatShare<'_>> {
        Some(ChatShare::Creation)
    }
}

/// WeCom's answer to a [`Create`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Made {
    /// Empty when WeCom gave none.
    #[serde(default, rename = "chatid")]
    pub chat_id: String,
}

/// One call of appchat/get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Required.
    pub chat_id: String,
}

impl Get {
    /// Every broken rule.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        found.id(&Path::ROOT.field("chat_id"), id::chat_id(&self.chat_id));
        found.into_violations()
    }
}

impl Call for Get {
    const PATH: &'static str = "appchat/get";
    type Reply = Got;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("chatid", self.chat_id.clone())])
    }
}

/// WeCom's answer to a [`Get`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Got {
    /// The chat.
    #[serde(rename = "chat_info")]
    pub chat: Chat,
}

/// A group chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Chat {
    /// Its id.
    #[serde(rename = "chatid")]
    pub chat_id: String,
    /// Its name.
    pub name: String,
    /// The member who owns it.
    #[serde(rename = "owner")]
    pub owner_user_id: String,
    /// All members, the owner among them.
    #[serde(rename = "userlist")]
    pub user_ids: Vec<String>,
    /// 0 is a normal group, 1 a course group (上下课群). Older answers have none.
    #[serde(rename = "chat_type")]
    pub kind: Option<i64>,
}

/// One call of appchat/update. What is empty stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Required.
    #[serde(rename = "chatid")]
    pub chat_id: String,
    /// At most 50 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Required when the owner is removed.
    #[serde(rename = "owner", skip_serializing_if = "String::is_empty")]
    pub owner_user_id: String,
    /// At most 2000.
    #[serde(rename = "add_user_list", skip_serializing_if = "Vec::is_empty")]
    pub add_user_ids: Vec<String>,
    /// At most 2000, none of them in `add_user_ids`.
    #[serde(rename = "del_user_list", skip_serializing_if = "Vec::is_empty")]
    pub remove_user_ids: Vec<String>,
}

impl Update {
    /// Every broken rule, in the order of the fields.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let root = Path::ROOT;
        found.id(&root.field("chat_id"), id::chat_id(&self.chat_id));
        if self.changes_nothing() {
            found.add(
                &root.field("name"),
                format_args!(
                    "required unless owner_user_id, add_user_ids or remove_user_ids is set"
                ),
            );
        }
        check_name(&self.name, &mut found);
        let owner = root.field("owner_user_id");
        if !self.owner_user_id.is_empty() {
            found.id(&owner, id::user_id(&self.owner_user_id));
            if contains(&self.remove_user_ids, &self.owner_user_id) {
                found.add(&owner, format_args!("must not be in remove_user_ids"));
            }
        }
        let (add, remove) = (root.field("add_user_ids"), root.field("remove_user_ids"));
        check_user_ids(&add, &self.add_user_ids, 0..=MEMBERS_MAX, &mut found);
        check_user_ids(&remove, &self.remove_user_ids, 0..=MEMBERS_MAX, &mut found);
        self.check_disjoint(&remove, &mut found);
        found.into_violations()
    }

    fn changes_nothing(&self) -> bool {
        self.name.is_empty()
            && self.owner_user_id.is_empty()
            && self.add_user_ids.is_empty()
            && self.remove_user_ids.is_empty()
    }

    fn check_disjoint(&self, path: &Path<'_>, found: &mut Checker) {
        // No more than the limit, so that an endless list costs no endless time.
        let added = self.add_user_ids.iter().take(MEMBERS_MAX);
        let added: HashSet<Caseless<'_>> = added.map(|id| Caseless(id)).collect();
        let removed = self.remove_user_ids.iter().take(MEMBERS_MAX);
        for (index, user_id) in removed.enumerate() {
            if added.contains(&Caseless(user_id)) {
                found.add(&path.at(index), format_args!("is in add_user_ids too"));
            }
        }
    }

    /// Whether `chat` is as this call would leave it.
    fn is_met_by(&self, chat: &Chat) -> bool {
        let there: HashSet<Caseless<'_>> = chat.user_ids.iter().map(|id| Caseless(id)).collect();
        let mut added = self.add_user_ids.iter();
        let mut removed = self.remove_user_ids.iter();
        added.all(|id| there.contains(&Caseless(id)))
            && !removed.any(|id| there.contains(&Caseless(id)))
            && is_as_asked(chat, &self.name, &self.owner_user_id)
    }
}

impl Call for Update {
    const PATH: &'static str = "appchat/update";
    /// WeCom says nothing beside the errcode.
    type Reply = IgnoredAny;

    /// A repetition changes nothing more, but WeCom may refuse it: the members to
    /// remove are gone already.
    fn repeat(&self) -> Repeat {
        Repeat::SameBytes
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }

    fn chat_share(&self) -> Option<ChatShare<'_>> {
        Some(ChatShare::Change)
    }

    /// What a bad request gets each time, members that are gone get only after
    /// their removal.
    fn may_follow_success(&self, refusal: &Refusal) -> bool {
        refusal.errcode == MEMBER_ILLEGAL
    }
}

fn check_name(name: &str, found: &mut Checker) {
    found.characters(&Path::ROOT.field("name"), name, 0..=NAME_MAX_CHARACTERS);
}

fn contains(user_ids: &[String], wanted: &str) -> bool {
    let mut user_ids = user_ids.iter();
    user_ids.any(|user_id| Caseless(user_id) == Caseless(wanted))
}

/// Whether name and owner are those asked for; empty asks for nothing.
fn is_as_asked(chat: &Chat, name: &str, owner_user_id: &str) -> bool {
    (name.is_empty() || name == chat.name)
        && (owner_user_id.is_empty() || Caseless(owner_user_id) == Caseless(&chat.owner_user_id))
}

#[cfg(test)]
mod tests;
