//! Members (成员): read, found by mobile number or e-mail address, their ids
//! converted and listed. Departments and tags have files of their own.
//!
//! Sources, read on 2026-11-24, one for each call:
//! <https://developer.work.weixin.qq.com/document/path/90196> (user/get),
//! <https://developer.work.weixin.qq.com/document/path/90200> (user/simplelist),
//! <https://developer.work.weixin.qq.com/document/path/90201> (user/list),
//! <https://developer.work.weixin.qq.com/document/path/96067> (user/list_id),
//! <https://developer.work.weixin.qq.com/document/path/95402> (user/getuserid),
//! <https://developer.work.weixin.qq.com/document/path/95895> (user/get_userid_by_email),
//! <https://developer.work.weixin.qq.com/document/path/90202> (user/convert_to_…)

use serde::{Deserialize, Serialize};

use super::call::{Call, Credential, Payload, Repeat};
use super::check::{Checker, Path};
use super::id::{self, Fault};

mod department;
mod ids;
mod lenient;
mod member;
mod tag;
mod walk;

pub use department::{
    Department, DepartmentList, DepartmentListBrief, Departments, DepartmentsBrief,
    FoundDepartment, GetDepartment,
};
pub use ids::{IdEntry, IdPage, IdPages};
pub use member::{
    Attribute, AttributeValue, ExternalProfile, Gender, Link, Member, MiniProgram, Place, Status,
    WechatChannels,
};
pub use tag::{GetTag, ListTags, Tag, TagHolders, TagUser, Tags};
pub use walk::Walk;

/// Length of a mobile number in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/95402>, `mobile`.
const MOBILE_BYTES: (usize, usize) = (5, 32);
/// Length of an e-mail address in bytes: WeCom names no limit, so those of mail itself
/// (RFC 5321, 4.5.3.1.3, with RFC 3696 erratum 1690).
const EMAIL_BYTES: (usize, usize) = (3, 254);
/// Longest openid in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/91023>, `openid`.
const OPEN_ID_MAX_BYTES: usize = 64;

/// How much a list says of each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Ids and what belongs to them.
    Brief,
    /// Everything that the app may see.
    Full,
}

/// user/get: one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Required.
    pub user_id: String,
}

impl Get {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        check_user_id(&self.user_id, found);
    }
}

impl Call for Get {
    const PATH: &'static str = "user/get";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = Member;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("userid", self.user_id.clone())])
    }
}

/// The members of a department, and of those below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Required, 1 or more.
    pub department_id: u32,
    /// How much is said of each.
    pub detail: Detail,
    /// Whether the members of all departments below are meant too.
    pub recursive: bool,
}

impl List {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        check_number("department_id", self.department_id, found);
    }
}

/// user/list: members whose one department this is, or one of several.
pub(super) struct ListFull {
    pub(super) department_id: u32,
}

/// user/simplelist: the same members with their ids, names and departments only.
pub(super) struct ListBrief {
    pub(super) department_id: u32,
}

/// The members of one department.
#[derive(Debug, Deserialize)]
pub(super) struct Members {
    #[serde(rename = "userlist", default, deserialize_with = "lenient::or_default")]
    pub(super) members: Vec<Member>,
}

impl Call for ListFull {
    const PATH: &'static str = "user/list";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = Members;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("department_id", self.department_id.to_string())])
    }
}

impl Call for ListBrief {
    const PATH: &'static str = "user/simplelist";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = Members;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("department_id", self.department_id.to_string())])
    }
}

/// A member's id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundUserId {
    /// As stored.
    #[serde(rename = "userid")]
    pub user_id: String,
}

/// user/getuserid: who has a mobile number.
///
/// Too many misses, and WeCom bars the corp from the call for a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByMobile {
    /// Required, 5 to 32 bytes.
    pub mobile: String,
}

impl ByMobile {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        let (least, most) = MOBILE_BYTES;
        let path = Path::ROOT.field("mobile");
        found.opaque(&path, &self.mobile, 1..=most);
        check_least(&path, &self.mobile, least, found);
    }
}

impl Call for ByMobile {
    const PATH: &'static str = "user/getuserid";
    type Reply = FoundUserId;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}

/// user/get_userid_by_email: who has an e-mail address.
///
/// Too many misses, and WeCom bars the corp from the call for a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByEmail {
    /// Required, 3 to 254 bytes with an `@`.
    pub email: String,
    /// WeCom takes it for corporate when absent.
    #[serde(rename = "email_type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<EmailKind>,
}

/// Which of a member's addresses is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EmailKind {
    /// 1: the one that the corp gave.
    Corp = 1,
    /// 2: the one that the member entered.
    Personal = 2,
}

impl Serialize for EmailKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl ByEmail {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        let (least, most) = EMAIL_BYTES;
        let path = Path::ROOT.field("email");
        found.opaque(&path, &self.email, 1..=most);
        check_least(&path, &self.email, least, found);
        if !self.email.is_empty() && !self.email.contains('@') {
            found.add(&path, format_args!("must contain an `@`"));
        }
    }
}

impl Call for ByEmail {
    const PATH: &'static str = "user/get_userid_by_email";
    type Reply = FoundUserId;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}

/// user/convert_to_openid: a member's id as WeChat knows the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToOpenId {
    /// Required.
    #[serde(rename = "userid")]
    pub user_id: String,
}

impl ToOpenId {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        check_user_id(&self.user_id, found);
    }
}

/// An id by which WeChat knows a person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundOpenId {
    /// At most 64 bytes.
    #[serde(rename = "openid")]
    pub open_id: String,
}

impl Call for ToOpenId {
    const PATH: &'static str = "user/convert_to_openid";
    type Reply = FoundOpenId;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}

/// user/convert_to_userid: the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToUserId {
    /// Required, 1 to 64 bytes.
    #[serde(rename = "openid")]
    pub open_id: String,
}

impl ToUserId {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        let path = Path::ROOT.field("open_id");
        found.opaque(&path, &self.open_id, 1..=OPEN_ID_MAX_BYTES);
    }
}

impl Call for ToUserId {
    const PATH: &'static str = "user/convert_to_userid";
    type Reply = FoundUserId;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}

fn check_user_id(user_id: &str, found: &mut Checker) {
    let verdict = id::user_id(user_id).map_err(|fault| match fault {
        // Here is no `everyone` to set instead.
        Fault::Everyone => Fault::Beginning,
        fault => fault,
    });
    found.id(&Path::ROOT.field("user_id"), verdict);
}

fn check_number(field: &'static str, number: u32, found: &mut Checker) {
    if number == 0 {
        found.add(
            &Path::ROOT.field(field),
            format_args!("required: 1 or more"),
        );
    }
}

fn check_least(path: &Path<'_>, value: &str, least: usize, found: &mut Checker) {
    let actual = value.len();
    if (1..least).contains(&actual) {
        found.add(
            path,
            format_args!("{actual} bytes, at least {least} are needed"),
        );
    }
}

#[cfg(test)]
mod tests;
