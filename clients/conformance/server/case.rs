//! Case files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::door::Fault;

/// More messages than any stream has.
const EVERY_MESSAGE: u32 = 1_000_000;

/// One case; `clients/conformance/schema.json` explains the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Rules of `clients/SPEC.md` that it proves; read by tools/spec.py.
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    /// Whether a client without our wrapper passes it too.
    #[serde(default)]
    pub(crate) raw: bool,
    #[serde(default)]
    pub(crate) setup: Vec<Value>,
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
    /// What the client has to do.
    #[serde(rename = "do")]
    pub(crate) task: Value,
    pub(crate) expect: Value,
    #[serde(default)]
    pub(crate) observe: Map<String, Value>,
}

impl Case {
    /// Puts the values that the setup kept in the places of `${name}`, and writes out what a case
    /// leaves out, so that no runner needs to.
    pub(crate) fn fill_in(&mut self, kept: &BTreeMap<String, String>) {
        if self.task.get("env").is_none() {
            let connect = json!({"address": "${address}", "token": "${token}", "retry": true,
                "insecure_token": false, "headers": {}});
            self.task["connect"] = merged(connect, &self.task["connect"]);
        }
        let times = if self.task["call"] == "connect" { 0 } else { 1 };
        let mut defaults = json!({"times": times, "take": EVERY_MESSAGE});
        if self.task["call"]
            .as_str()
            .is_some_and(|call| call.contains('/'))
        {
            let request = self.task.get("request").cloned();
            defaults["requests"] = json!([request.unwrap_or(json!({}))]);
        }
        self.task = merged(defaults, &self.task);
        fill(&mut self.task, kept);
        fill(&mut self.expect, kept);
    }

    /// Whether a program of the examples runs it, and no runner.
    pub(crate) fn is_example(&self) -> bool {
        self.task.get("example").is_some()
    }

    /// Whether the case is over only when the call was left.
    pub(crate) fn cancelled(&self) -> bool {
        self.observe.contains_key("cancelled")
    }
}

/// `defaults`, and over them what is `given`.
fn merged(mut defaults: Value, given: &Value) -> Value {
    for (name, value) in given.as_object().into_iter().flatten() {
        defaults[name] = value.clone();
    }
    defaults
}

pub(crate) fn fill(value: &mut Value, kept: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            for (name, value) in kept {
                *text = text.replace(&format!("${{{name}}}"), value);
            }
            // Long texts and lists are not written out in a case.
            if let Some(count) = text.strip_prefix("$items:") {
                let count = count.parse().unwrap();
                let items = (0..count).map(|n: u32| json!({"userId": format!("u{n:04}")}));
                *value = items.collect();
            } else if let Some((unit, count)) = text
                .strip_prefix("$repeat:")
                .and_then(|rest| rest.split_once('*'))
            {
                *text = unit.repeat(count.parse().unwrap());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, kept)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, kept)),
        _ => {}
    }
}

/// Every case of `folder`, by name: those for every client's own runner, and those of the examples.
pub(crate) fn load(folder: &Path) -> BTreeMap<String, Case> {
    let files = std::fs::read_dir(folder.join("cases")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut cases = BTreeMap::new();
    for path in files.chain([folder.join("examples.json")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let list: Vec<Case> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in list {
            let name = case.name.clone();
            assert!(cases.insert(name, case).is_none(), "two cases of one name");
        }
    }
    cases
}
