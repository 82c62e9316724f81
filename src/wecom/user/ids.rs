//! The ids of all members, page by page: user/list_id, which takes the contacts
//! secret and no other.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::lenient::{number, or_default};
use super::walk::in_patience;
use crate::wecom::call::{Call, Credential, Payload, Repeat};
use crate::wecom::check::{Checker, Path};
use crate::wecom::client::Client;
use crate::wecom::error::{Error, Reason, Result};

/// Entries of a page: the most that WeCom gives. At some 110 bytes each a page stays
/// under the 4 MiB that are read of an answer.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/96067>, `limit`.
const PAGE: u32 = 10_000;
/// Longest cursor that is passed on, in bytes. WeCom names no limit; those of its
/// samples have a dozen.
const CURSOR_MAX_BYTES: usize = 1024;
/// When a page is worth asking for again that came without sense.
const GARBLED_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// One call of user/list_id.
#[derive(Serialize)]
struct ListIds<'a> {
    cursor: &'a str,
    limit: u32,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IdPage {
    /// Members; one of several departments has an entry for each.
    #[serde(rename = "dept_user", default, deserialize_with = "or_default")]
    pub entries: Vec<IdEntry>,
    /// Where the next page begins; empty after the last.
    #[serde(default, deserialize_with = "or_default")]
    pub next_cursor: String,
}

/// A member in one department.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IdEntry {
    /// As stored.
    #[serde(rename = "userid")]
    pub user_id: String,
    /// The department.
    #[serde(rename = "department", default, deserialize_with = "number")]
    pub department_id: u32,
}

impl Call for ListIds<'_> {
    const PATH: &'static str = "user/list_id";
    const CREDENTIAL: Credential = Credential::Contacts;
    type Reply = IdPage;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}

/// All pages from a cursor on; holds one at a time.
pub struct IdPages {
    client: Client,
    /// `None` after the last page.
    cursor: Option<String>,
}

impl IdPages {
    /// From `cursor` on; an empty one is the beginning.
    pub fn new(client: Client, cursor: String) -> Self {
        Self {
            client,
            cursor: Some(cursor),
        }
    }

    /// Notes what is wrong with a cursor that stands in `resume_token`.
    pub fn check(cursor: &str, found: &mut Checker) {
        let path = Path::ROOT.field("resume_token");
        found.opaque(&path, cursor, 0..=CURSOR_MAX_BYTES);
    }

    /// The next page; `None` after the last.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<IdPage>> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let call = ListIds {
            cursor,
            limit: PAGE,
        };
        let page = in_patience(&self.client, &call, deadline).await?;
        if page.next_cursor == *cursor && !cursor.is_empty() {
            // It would go round for ever.
            return Err(Error::Unreachable {
                path: ListIds::PATH,
                reason: Reason::Garbled,
                retry_after: GARBLED_WAIT,
            });
        }
        self.cursor = Some(page.next_cursor.clone()).filter(|cursor| !cursor.is_empty());
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_in_full() {
        let call = ListIds {
            cursor: "",
            limit: PAGE,
        };
        let Payload::Json(body) = call.payload() else {
            panic!("list_id is a POST")
        };
        assert_eq!(&*body, br#"{"cursor":"","limit":10000}"#);
    }

    #[test]
    fn a_resume_token_is_one_word() {
        for (cursor, faults) in [
            ("", 0),
            ("bmV4dA==", 0),
            ("a b", 1),
            (&*"x".repeat(1025), 1),
        ] {
            let mut found = Checker::default();
            IdPages::check(cursor, &mut found);
            assert_eq!(found.into_violations().len(), faults, "{cursor}");
        }
    }
}
