//! Calls of paths that have no endpoint of their own here. An operator lists the
//! paths; pace, token, circuit and errors are those of every other call.

use bytes::Bytes;
use serde_json::Value;

use super::call::{Call, Payload, Repeat};
use super::check::{Checker, Path};
use super::violation::Violation;

/// Most query parameters.
const QUERY_MOST: usize = 32;
/// Longest body.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Parameters that the gateway alone sets, and `debug`, which makes WeCom count
/// five calls a minute (<https://developer.work.weixin.qq.com/document/path/90313>, 45009).
const RESERVED: [&str; 3] = ["access_token", "corpsecret", "debug"];
/// Keys of an answer whose values are secrets, whatever they are, contain one of these.
const SECRET_WORDS: [&str; 5] = ["token", "secret", "ticket", "password", "session_key"];
/// What stands in the place of a secret.
const MASK: &str = "********";

/// A call put together by a caller.
pub struct Raw {
    /// Below `/cgi-bin/`; from the operator's list.
    pub path: &'static str,
    /// Query parameters, beside the token.
    pub query: Vec<(String, String)>,
    /// JSON; a GET when empty.
    pub json_body: String,
}

impl Raw {
    /// Every broken rule.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let query = Path::ROOT.field("query");
        if self.query.len() > QUERY_MOST {
            let count = self.query.len();
            found.add(
                &query,
                format_args!("{count} items, the limit is {QUERY_MOST}"),
            );
        }
        for (name, _) in &self.query {
            if RESERVED
                .iter()
                .any(|reserved| name.eq_ignore_ascii_case(reserved))
            {
                found.add(&query, format_args!("`{name}` is for the gateway to set"));
            }
        }
        let body = Path::ROOT.field("json_body");
        if self.json_body.len() > BODY_MAX_BYTES {
            let length = self.json_body.len();
            found.add(
                &body,
                format_args!("{length} bytes, the limit is {BODY_MAX_BYTES}"),
            );
        } else if !self.json_body.is_empty()
            && let Err(error) = serde_json::from_str::<Value>(&self.json_body)
        {
            found.add(
                &body,
                format_args!("no JSON: line {}, column {}", error.line(), error.column()),
            );
        }
        found.into_violations()
    }
}

impl Call for Raw {
    /// Never called: each call has a path of its own.
    const PATH: &'static str = "";
    type Reply = Value;

    fn path(&self) -> &'static str {
        self.path
    }

    /// What a path does is not known here.
    fn repeat(&self) -> Repeat {
        Repeat::WhileUnsent
    }

    fn payload(&self) -> Payload {
        let body = (!self.json_body.is_empty()).then(|| Bytes::from(self.json_body.clone()));
        Payload::Raw {
            query: self.query.clone(),
            body,
        }
    }
}

/// Takes the secrets out of an answer.
pub fn redact(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.to_ascii_lowercase();
                if SECRET_WORDS.iter().any(|word| key.contains(word)) {
                    *value = MASK.into();
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(query: &[(&str, &str)], json_body: &str) -> Raw {
        let query = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Raw {
            path: "agent/get",
            query: query.collect(),
            json_body: json_body.to_owned(),
        }
    }

    #[test]
    fn what_the_gateway_sets_nobody_else_sets() {
        assert!(raw(&[("agentid", "1")], "").check().is_empty());
        for name in ["access_token", "ACCESS_TOKEN", "corpsecret", "debug"] {
            assert_eq!(raw(&[(name, "x")], "").check()[0].field, "query");
        }
        assert_eq!(raw(&[], "{not json").check()[0].field, "json_body");
        assert!(raw(&[], r#"{"a":[1]}"#).check().is_empty());
        let large = format!("\"{}\"", "a".repeat(BODY_MAX_BYTES));
        assert_eq!(raw(&[], &large).check()[0].field, "json_body");
    }

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let mut answer = json!({
            "access_token": "t", "session_key": "k", "ticket": 7, "secrets": ["s", {"a": "b"}],
            "list": [{"Jsapi_Ticket": "t", "name": "n"}], "suite_ticket": {"value": "t"},
        });
        redact(&mut answer);
        assert_eq!(
            answer,
            json!({
                "access_token": MASK, "session_key": MASK, "ticket": MASK, "secrets": MASK,
                "list": [{"Jsapi_Ticket": MASK, "name": "n"}], "suite_ticket": MASK,
            })
        );
    }
}
