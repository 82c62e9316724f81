//! How settings are read: defaults, then a file, then the environment. Knows no
//! room: what the settings mean is the business of whoever asks.

use std::path::Path;

use figment::error::Kind;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

/// Variables with this prefix are settings: `WECOMGW_GRPC__LISTEN` is
/// `grpc.listen`.
pub const ENVIRONMENT_PREFIX: &str = "WECOMGW_";
/// How figment calls the environment.
const ENVIRONMENT: &str = "the environment";
/// Between the parts of a key.
const SEPARATOR: &str = "__";
/// What stands in the place of a secret.
const MASK: &str = "********";

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration file {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value is missing, unknown or of the wrong kind.
    #[error("{0}")]
    Wrong(String),
}

/// Settings before anything is made of them.
pub struct Sources(Figment);

impl Sources {
    /// Lays `environment` over `file` over `defaults`.
    pub fn read(
        defaults: &str,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        Self::read_with(defaults, "", file, environment)
    }

    /// As [`Sources::read`], with `overlay` between defaults and file.
    pub fn read_with(
        defaults: &str,
        overlay: &str,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut figment = Figment::from(Toml::string(defaults)).merge(Toml::string(overlay));
        if let Some(path) = file {
            // figment would take a missing file for an empty one.
            std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
                path: path.display().to_string(),
                source,
            })?;
            figment = figment.merge(Toml::file_exact(path));
        }
        Ok(Self(figment.merge(Environment::new(environment))))
    }

    /// The settings as `T`.
    pub fn extract<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.0.extract().map_err(|error| {
            let faults: Vec<String> = error
                .into_iter()
                .map(|fault| describe(&self.0, &fault))
                .collect();
            Error::Wrong(faults.join("\n"))
        })
    }

    /// The merged settings as TOML, the values of `secret_keys` masked, and so is who logs in
    /// with which password in any address.
    pub fn masked(&self, secret_keys: &[&str]) -> Result<String, Error> {
        let mut all: Dict = self.extract()?;
        mask(&mut all, secret_keys);
        toml::to_string(&all).map_err(|error| Error::Wrong(error.to_string()))
    }
}

/// What is wrong, with which key, and where it was set.
fn describe(figment: &Figment, fault: &figment::Error) -> String {
    let key = fault.path.join(".");
    let metadata = fault
        .metadata
        .as_ref()
        .or_else(|| figment.find_metadata(&key));
    let variable = metadata
        .filter(|metadata| metadata.name == ENVIRONMENT)
        .map(|_| variable(&fault.path));
    let mut text = wrong(&fault.kind);
    if let (Some(_), [head]) = (&variable, &fault.path[..])
        && head.contains('_')
    {
        text = "unknown setting; two underscores end the name of a section".to_owned();
    }
    let origin = match (variable, metadata) {
        (Some(name), _) => format!(" (from {name} in the environment)"),
        (None, Some(metadata)) => match &metadata.source {
            Some(source) => format!(" (from {source})"),
            None => format!(" (from {})", metadata.name),
        },
        (None, None) => String::new(),
    };
    if key.is_empty() {
        format!("{text}{origin}")
    } else {
        format!("{key}: {text}{origin}")
    }
}

/// The fault without the value: that may be a secret.
fn wrong(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(_, known) => {
            format!("unknown setting; known here: {}", known.join(", "))
        }
        Kind::UnknownVariant(_, known) => format!("expected one of: {}", known.join(", ")),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("expected {}", plain(expected))
        }
        Kind::MissingField(name) => format!("`{name}` is missing"),
        Kind::Message(text) if text == "invalid socket address syntax" => {
            "expected an IP address and a port, as in 127.0.0.1:50051".to_owned()
        }
        Kind::Message(text) => without_source(text),
        kind => kind.to_string(),
    }
}

/// What serde expected, for people who do not write Rust.
fn plain(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        _ if expected.starts_with("struct ") => "a section",
        _ => expected,
    }
}

/// A syntax error without the line that it shows: that line may hold a secret.
fn without_source(text: &str) -> String {
    let mut lines = text.trim_end().lines();
    let first = lines.next().unwrap_or_default();
    if !first.starts_with("TOML parse error") {
        return text.to_owned();
    }
    // The line stands in a frame: `  |`, `7 | the line`, `  |  ^`.
    let reasons: Vec<&str> = lines.skip(3).collect();
    format!("{first}: {}", reasons.join(", "))
}

/// The variable that a key came from. It may hold a whole list.
fn variable(path: &[String]) -> String {
    let is_key = |part: &&String| part.parse::<usize>().is_err();
    let parts = path.iter().take_while(is_key);
    let parts: Vec<String> = parts.map(|part| part.to_ascii_uppercase()).collect();
    format!("{ENVIRONMENT_PREFIX}{}", parts.join(SEPARATOR))
}

fn mask(dict: &mut Dict, secret_keys: &[&str]) {
    for (key, value) in dict {
        mask_value(value, secret_keys.contains(&key.as_str()), secret_keys);
    }
}

fn mask_value(value: &mut Value, secret: bool, secret_keys: &[&str]) {
    match value {
        Value::Dict(_, inner) => mask(inner, secret_keys),
        Value::Array(_, items) => {
            items
                .iter_mut()
                .for_each(|item| mask_value(item, secret, secret_keys));
        }
        _ if secret => *value = Value::from(MASK),
        Value::String(_, text) => {
            if let Some(masked) = without_password(text) {
                *value = Value::from(masked);
            }
        }
        _ => {}
    }
}

/// An address without what stands before its `@` and after `password=`; `None` where there is
/// neither. It need not be a good address: that is when it is looked at.
fn without_password(address: &str) -> Option<String> {
    let begin = address.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = address.split_at(begin);
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    let (rest, query) = match rest.split_once("password=") {
        Some((rest, _)) => (rest, format!("password={MASK}")),
        None => (rest, String::new()),
    };
    let found = !user.is_empty() || !query.is_empty();
    found.then(|| format!("{scheme}{user}{rest}{query}"))
}

/// Settings from environment variables.
struct Environment(Dict);

impl Environment {
    fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut settings = Dict::new();
        for (name, text) in variables {
            let key = name.strip_prefix(ENVIRONMENT_PREFIX);
            let Some(key) = key.filter(|key| !is_service_link(key)) else {
                continue;
            };
            // Numbers, booleans and lists as figment reads them; the rest is text.
            let Ok(value) = text.parse::<Value>();
            insert(&mut settings, &key.to_ascii_lowercase(), value);
        }
        Self(settings)
    }
}

/// Kubernetes tells each container of a namespace where its services are. Of one that is
/// called `wecomgw` it tells in `WECOMGW_SERVICE_HOST`, `WECOMGW_PORT_50051_TCP` and the like
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_service_link(key: &str) -> bool {
    matches!(key, "SERVICE_HOST" | "SERVICE_PORT" | "PORT")
        || key.starts_with("SERVICE_PORT_")
        || key
            .strip_prefix("PORT_")
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn insert(settings: &mut Dict, key: &str, value: Value) {
    let Some((head, rest)) = key.split_once(SEPARATOR) else {
        settings.insert(key.to_owned(), value);
        return;
    };
    let inner = settings
        .entry(head.to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(ENVIRONMENT)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

#[cfg(test)]
mod tests;
