//! Tags (标签).
//!
//! Sources, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90216> (tag/list),
//! <https://developer.work.weixin.qq.com/document/path/90213> (tag/get)

use serde::Deserialize;

use super::check_number;
use super::lenient::{number, numbers, or_default};
use crate::wecom::call::{Call, Credential, Payload, Repeat};
use crate::wecom::check::Checker;

/// tag/list: the corp's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTags;

/// tag/get: one tag with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetTag {
    /// Required, 1 or more.
    pub tag_id: u32,
}

impl GetTag {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        check_number("tag_id", self.tag_id, found);
    }
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Its id.
    #[serde(rename = "tagid", deserialize_with = "number")]
    pub id: u32,
    /// Its name.
    #[serde(rename = "tagname", default, deserialize_with = "or_default")]
    pub name: String,
}

/// The answer of tag/list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tags {
    /// In WeCom's order.
    #[serde(rename = "taglist", default, deserialize_with = "or_default")]
    pub tags: Vec<Tag>,
}

/// The answer of tag/get: who has the tag, as far as the app may see them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TagHolders {
    /// The tag's name.
    #[serde(rename = "tagname", default, deserialize_with = "or_default")]
    pub name: String,
    /// Members who have the tag themselves.
    #[serde(rename = "userlist", default, deserialize_with = "or_default")]
    pub users: Vec<TagUser>,
    /// Departments that have it.
    #[serde(rename = "partylist", default, deserialize_with = "numbers")]
    pub department_ids: Vec<u32>,
}

/// A member who has a tag.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TagUser {
    /// As stored.
    #[serde(rename = "userid")]
    pub user_id: String,
    /// The name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
}

impl Call for ListTags {
    const PATH: &'static str = "tag/list";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = Tags;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(Vec::new())
    }
}

impl Call for GetTag {
    const PATH: &'static str = "tag/get";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = TagHolders;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("tagid", self.tag_id.to_string())])
    }
}
