//! Logging members in: who came back with a code, and what they agreed to show.
//!
//! Sources, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/91023> (identity),
//! <https://developer.work.weixin.qq.com/document/path/95833> (sensitive fields)

mod page;
mod signature;
mod ticket;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub(super) use page::Pages;
pub use page::{Language, LoginPage, PageKind, Scope};
pub use signature::{SignPage, Signature};
pub use ticket::TicketKind;
pub(super) use ticket::{CorpTickets, Tickets};

use super::call::{Call, Payload, Repeat};
use super::check::{Checker, Path};
use super::user::Member;
use super::violation::Violation;

/// Longest code of a login in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/91023>, `code`.
pub const CODE_MAX_BYTES: usize = 512;
/// Longest user_ticket in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/91023>, `user_ticket`.
pub const USER_TICKET_MAX_BYTES: usize = 512;

/// One call of auth/getuserinfo: whose code it is. WeCom takes a code once.
pub struct GetUserInfo {
    /// Required: from the query of the redirect. Secret until it is used.
    pub code: String,
}

impl GetUserInfo {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        found.opaque(&Path::ROOT.field("code"), &self.code, 1..=CODE_MAX_BYTES);
    }
}

impl Call for GetUserInfo {
    const PATH: &'static str = "auth/getuserinfo";
    /// With a good code the call does not count
    /// (<https://developer.work.weixin.qq.com/document/path/90312>).
    const BASE_LIMITED: bool = false;
    type Reply = Visitor;

    /// A code that WeCom may have read is spent.
    fn repeat(&self) -> Repeat {
        Repeat::WhileUnsent
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("code", self.code.clone())])
    }
}

/// Who came back from the login page.
#[derive(Debug, Deserialize)]
#[serde(from = "UserInfo")]
pub enum Visitor {
    /// A member of the corp, or of a corp linked to it.
    Member {
        /// `userid`; of a member of a linked corp, `corp id/userid`.
        user_id: String,
        /// For [`GetUserDetail`], if the member agreed to show more.
        user_ticket: Option<SecretString>,
    },
    /// Someone whom WeCom knows, but no member.
    Stranger {
        /// The visitor's id as a customer of a member whom the app can see.
        external_user_id: Option<String>,
    },
}

/// The answer in both of its spellings: that of auth/getuserinfo, and that of
/// user/getuserinfo, which relays and private deployments still give.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct UserInfo {
    userid: String,
    #[serde(rename = "UserId")]
    old_userid: String,
    external_userid: String,
    user_ticket: SecretString,
}

impl From<UserInfo> for Visitor {
    fn from(info: UserInfo) -> Self {
        let UserInfo {
            userid,
            old_userid,
            external_userid,
            user_ticket,
        } = info;
        let user_id = if userid.is_empty() {
            old_userid
        } else {
            userid
        };
        // errcode 0 without a userid is WeCom's way to say that it is no member.
        if user_id.is_empty() {
            return Self::Stranger {
                external_user_id: Some(external_userid).filter(|id| !id.is_empty()),
            };
        }
        Self::Member {
            user_id,
            user_ticket: Some(user_ticket).filter(|ticket| !ticket.expose_secret().is_empty()),
        }
    }
}

/// One call of auth/getuserdetail: what the member agreed to show.
pub struct GetUserDetail {
    /// Required: of a login, within 30 minutes. Secret.
    pub user_ticket: SecretString,
}

impl GetUserDetail {
    /// Every broken rule.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let path = Path::ROOT.field("user_ticket");
        let ticket = self.user_ticket.expose_secret();
        found.opaque(&path, ticket, 1..=USER_TICKET_MAX_BYTES);
        found.into_violations()
    }
}

impl Call for GetUserDetail {
    const PATH: &'static str = "auth/getuserdetail";
    /// The fields that the member agreed to show, by the names that user/get has for
    /// them.
    type Reply = Member;

    /// A ticket may be shown again while it lives.
    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        let ticket = self.user_ticket.expose_secret();
        Payload::json(&serde_json::json!({ "user_ticket": ticket }))
    }
}

#[cfg(test)]
mod tests;
