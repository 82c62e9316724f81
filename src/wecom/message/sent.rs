//! WeCom's answer to a message, read leniently: WeCom took it, so nothing odd in
//! the lists may turn the success into an error.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90236>

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::Recipients;
use crate::wecom::id::Caseless;

/// WeCom's answer to a send: taken for every recipient that is in no list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// For a recall; empty when WeCom gave none.
    #[serde(rename = "msgid")]
    pub message_id: String,
    /// Members outside the visible range or unknown. WeCom answers in lower case.
    #[serde(rename = "invaliduser", deserialize_with = "joined_texts")]
    pub invalid_user_ids: Vec<String>,
    /// Departments outside the visible range or unknown.
    #[serde(rename = "invalidparty", deserialize_with = "joined_numbers")]
    pub invalid_department_ids: Vec<u32>,
    /// Tags outside the visible range or unknown.
    #[serde(rename = "invalidtag", deserialize_with = "joined_numbers")]
    pub invalid_tag_ids: Vec<u32>,
    /// Members without the basic interface licence (基础接口许可).
    #[serde(rename = "unlicenseduser", deserialize_with = "joined_texts")]
    pub unlicensed_user_ids: Vec<String>,
    /// For an update of the card; empty unless the card can call back.
    pub response_code: String,
}

impl Sent {
    /// Gives the user ids back in the caller's own spelling.
    pub fn in_the_spelling_of(&mut self, recipients: &Recipients) {
        if self.invalid_user_ids.is_empty() && self.unlicensed_user_ids.is_empty() {
            return;
        }
        let answered = self.invalid_user_ids.iter_mut();
        spell_as(
            &recipients.user_ids,
            answered.chain(&mut self.unlicensed_user_ids),
        );
    }
}

/// Spells the user ids of an answer, which WeCom gives in lower case, as the
/// request did.
pub(super) fn spell_as<'a>(asked: &[String], answered: impl Iterator<Item = &'a mut String>) {
    let spellings: HashMap<Caseless<'_>, &str> = asked
        .iter()
        .map(|user_id| (Caseless(user_id), user_id.as_str()))
        .collect();
    for user_id in answered {
        if let Some(spelling) = spellings.get(&Caseless(user_id)) {
            *user_id = (*spelling).to_owned();
        }
    }
}

pub(super) fn joined_texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(JoinedVisitor)
}

/// Ids that are no numbers are skipped: a success must not fail on its lists.
fn joined_numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let texts = joined_texts(deserializer)?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// Takes a list in every shape that WeCom's calls use: `a|b`, `["a","b"]`, a
/// number, null.
struct JoinedVisitor;

impl<'de> Visitor<'de> for JoinedVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ids joined by `|`, or an array of ids")
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        let items = value.split('|').map(str::trim);
        Ok(items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(vec![value.to_string()])
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(vec![value.to_string()])
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Item {
            Text(String),
            Number(u64),
            Other(IgnoredAny),
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            match item {
                Item::Text(text) if text.trim().is_empty() => {}
                Item::Text(text) => items.push(text.trim().to_owned()),
                Item::Number(number) => items.push(number.to_string()),
                Item::Other(_) => {}
            }
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(json: &str) -> Sent {
        serde_json::from_str(json).expect("an answer of WeCom")
    }

    #[test]
    fn lists_come_joined_by_bars() {
        let sent = sent(
            r#"{"errcode":0,"errmsg":"ok","invaliduser":"a1| b2 ","invalidparty":"7|8",
                "invalidtag":"9","unlicenseduser":"c3","msgid":"m-1","response_code":"r-1"}"#,
        );
        assert_eq!(sent.invalid_user_ids, ["a1", "b2"]);
        assert_eq!(sent.invalid_department_ids, [7, 8]);
        assert_eq!(sent.invalid_tag_ids, [9]);
        assert_eq!(sent.unlicensed_user_ids, ["c3"]);
        assert_eq!((&*sent.message_id, &*sent.response_code), ("m-1", "r-1"));
    }

    #[test]
    fn nothing_wrong_is_said_in_many_ways() {
        for json in [
            r#"{"errcode":0}"#,
            r#"{"invaliduser":"","invalidparty":"","invalidtag":" | "}"#,
            r#"{"invaliduser":null,"invalidparty":[],"unlicenseduser":[""]}"#,
        ] {
            assert_eq!(sent(json), Sent::default(), "{json}");
        }
    }

    #[test]
    fn arrays_numbers_and_nonsense_are_no_error() {
        let sent = sent(
            r#"{"invaliduser":["a",7,{"x":1},null],"invalidparty":"1|x|-2|99999999999","invalidtag":3}"#,
        );
        assert_eq!(sent.invalid_user_ids, ["a", "7"]);
        assert_eq!(sent.invalid_department_ids, [1]);
        assert_eq!(sent.invalid_tag_ids, [3]);
    }

    #[test]
    fn ids_return_in_the_callers_spelling() {
        let recipients = Recipients {
            user_ids: vec!["WangWu".into(), "Li.Na".into(), "zhao".into()],
            ..Recipients::default()
        };
        let mut sent = sent(r#"{"invaliduser":"li.na|stranger","unlicenseduser":"wangwu"}"#);
        sent.in_the_spelling_of(&recipients);
        assert_eq!(sent.invalid_user_ids, ["Li.Na", "stranger"]);
        assert_eq!(sent.unlicensed_user_ids, ["WangWu"]);
    }
}
