//! Compares what was seen with what a case expects.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::door::Seen;

/// Expected values may leave fields out; `null` says that a field is absent. Texts that begin
/// with `$` match: `$any`, `$prefix:P`, `$contains:P`, `$bytes:N`, `$between:A-B`, and `$same:NAME`,
/// which must be the same wherever it stands and not empty, `$different:NAME`, which must not, and
/// `$length:N` for lists.
pub(crate) struct Judge<'a> {
    /// What stands for `${name}` in observations.
    kept: &'a BTreeMap<String, String>,
    same: BTreeMap<String, Value>,
    pub(crate) mistakes: Vec<String>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(kept: &'a BTreeMap<String, String>) -> Self {
        Self {
            kept,
            same: BTreeMap::new(),
            mistakes: Vec::new(),
        }
    }

    pub(crate) fn compare(&mut self, place: &str, expected: &Value, actual: &Value) {
        match expected {
            Value::Object(fields) => {
                for (name, expected) in fields {
                    let actual = actual.get(name).unwrap_or(&Value::Null);
                    self.compare(&format!("{place}.{name}"), expected, actual);
                }
            }
            Value::Array(items) => {
                let actual = actual.as_array().map(Vec::as_slice).unwrap_or_default();
                if items.len() != actual.len() {
                    let (expected, actual) = (items.len(), actual.len());
                    self.mistake(place, &json!(format!("{expected} items")), &json!(actual));
                }
                for (index, (expected, actual)) in items.iter().zip(actual).enumerate() {
                    self.compare(&format!("{place}[{index}]"), expected, actual);
                }
            }
            Value::String(pattern) if pattern.starts_with('$') => {
                if !self.matches(pattern, actual) {
                    self.mistake(place, expected, actual);
                }
            }
            _ if expected == actual => {}
            _ => self.mistake(place, expected, actual),
        }
    }

    fn mistake(&mut self, place: &str, expected: &Value, actual: &Value) {
        self.mistakes
            .push(format!("{place}: expected {expected}, got {actual}"));
    }

    fn matches(&mut self, pattern: &str, actual: &Value) -> bool {
        let text = match actual {
            Value::Null => return false,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (kind, argument) = pattern[1..].split_once(':').unwrap_or((&pattern[1..], ""));
        match kind {
            "any" => !text.is_empty(),
            "prefix" => text.starts_with(argument),
            "contains" => text.contains(argument),
            "bytes" => argument.parse() == Ok(text.len()),
            "between" => {
                let (low, high) = argument.split_once('-').unwrap();
                let [low, high] = [low, high].map(|bound| bound.parse::<u64>().unwrap());
                text.parse::<u64>().is_ok_and(|n| (low..=high).contains(&n))
            }
            "same" => {
                let known = self.same.entry(argument.to_owned()).or_insert(json!(text));
                *known == json!(text) && !text.is_empty()
            }
            "different" => {
                let name = format!("{argument}={text}");
                self.same.insert(name, json!(text)).is_none() && !text.is_empty()
            }
            "length" => argument.parse() == Ok(actual.as_array().map_or(0, Vec::len)),
            _ => panic!("no such matcher: {pattern}"),
        }
    }

    /// What passed the door (`calls`, in order, `cancelled`), and how often WeCom was asked
    /// (`wecom`).
    pub(crate) fn observe(
        &mut self,
        observe: &Map<String, Value>,
        seen: &[Seen],
        wecom: &BTreeMap<String, u64>,
    ) {
        for (name, expected) in observe {
            match name.as_str() {
                "calls" => {
                    let actual: Value = seen.iter().map(Seen::to_json).collect();
                    let mut expected = expected.clone();
                    super::case::fill(&mut expected, self.kept);
                    self.compare("calls", &expected, &actual);
                }
                "cancelled" => {
                    let actual = seen.iter().any(|call| call.cancelled);
                    self.compare("cancelled", expected, &json!(actual));
                }
                "wecom" => {
                    for (path, expected) in expected.as_object().unwrap() {
                        let actual = wecom.get(path).copied().unwrap_or(0);
                        self.compare(path, expected, &json!(actual));
                    }
                }
                _ => panic!("no such observation: {name}"),
            }
        }
    }
}
