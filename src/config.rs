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

    /// The merged settings as TOML, the values of `secret_keys` masked.
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
        _ => {}
    }
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
mod tests {
    use std::io::Write as _;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        door: Door,
        apps: Vec<App>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Door {
        listen: String,
        limit: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct App {
        name: String,
        secret: Option<String>,
    }

    const DEFAULTS: &str = "apps = []\n[door]\nlisten = \"127.0.0.1:1\"\nlimit = 5\n";

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn the_environment_lies_over_the_file_over_the_defaults() {
        let file = file("[door]\nlisten = \"0.0.0.0:2\"\nlimit = 6\n");
        let variables = environment(&[
            ("WECOMGW_DOOR__LIMIT", "7"),
            ("WECOMGW_APPS", r#"[{name = "a", secret = "s"}]"#),
            ("PATH", "/bin"),
        ]);
        let sources = Sources::read(DEFAULTS, Some(file.path()), variables).unwrap();
        let settings: Settings = sources.extract().unwrap();
        assert_eq!(
            settings.door,
            Door {
                listen: "0.0.0.0:2".into(),
                limit: 7
            }
        );
        assert_eq!(
            settings.apps,
            [App {
                name: "a".into(),
                secret: Some("s".into())
            }]
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_source() {
        let variables = environment(&[("WECOMGW_DOOR__COLOUR", "red")]);
        let sources = Sources::read(DEFAULTS, None, variables).unwrap();
        let error = sources.extract::<Settings>().unwrap_err().to_string();
        assert!(
            error.contains("colour") && error.contains("environment"),
            "{error}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_not_shown() {
        let variables = environment(&[("WECOMGW_APPS", r#"[{name = "a", secret = 271828}]"#)]);
        let sources = Sources::read(DEFAULTS, None, variables).unwrap();
        let error = sources.extract::<Settings>().unwrap_err().to_string();
        assert!(
            error.contains("apps.0.secret") && !error.contains("271828"),
            "{error}"
        );
    }

    #[test]
    fn a_variable_is_named_as_it_was_set() {
        for (name, value, expected) in [
            ("WECOMGW_DOOR__LIMIT", "many", "WECOMGW_DOOR__LIMIT"),
            ("WECOMGW_APPS", "[{name = 1}]", "from WECOMGW_APPS in"),
            ("WECOMGW_DOOR_LIMIT", "7", "two underscores"),
        ] {
            let variables = environment(&[(name, value)]);
            let sources = Sources::read(DEFAULTS, None, variables).unwrap();
            let error = sources.extract::<Settings>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_kubernetes_says_of_a_service_is_no_setting() {
        let variables = environment(&[
            ("WECOMGW_SERVICE_HOST", "10.0.0.1"),
            ("WECOMGW_SERVICE_PORT", "50051"),
            ("WECOMGW_SERVICE_PORT_GRPC", "50051"),
            ("WECOMGW_PORT", "tcp://10.0.0.1:50051"),
            ("WECOMGW_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ]);
        let sources = Sources::read(DEFAULTS, None, variables).unwrap();
        let settings: Settings = sources.extract().unwrap();
        assert_eq!(settings.door.limit, 5);
    }

    #[test]
    fn a_syntax_error_does_not_show_its_line() {
        let file = file("[[apps]]\nname = \"a\"\nsecret = \"tell-nobody\n");
        let sources = Sources::read(DEFAULTS, Some(file.path()), []).unwrap();
        let error = sources.extract::<Settings>().unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("string"),
            "{error}"
        );
        assert!(!error.contains("tell-nobody"), "{error}");
    }

    #[test]
    fn a_fault_is_told_without_the_words_of_rust() {
        for (text, expected) in [
            ("[door]\nlimit = -1\n", "a whole number from 0"),
            ("apps = 5\n", "a list"),
            ("door = 5\n", "a section"),
        ] {
            let file = file(text);
            let sources = Sources::read(DEFAULTS, Some(file.path()), []).unwrap();
            let error = sources.extract::<Settings>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let error = Sources::read(DEFAULTS, Some(Path::new("/nowhere/x.toml")), [])
            .err()
            .unwrap();
        assert!(error.to_string().contains("/nowhere/x.toml"));
    }

    #[test]
    fn secrets_are_masked() {
        let file = file("[[apps]]\nname = \"a\"\nsecret = \"tell-nobody\"\n");
        let sources = Sources::read(DEFAULTS, Some(file.path()), []).unwrap();
        let text = sources.masked(&["secret"]).unwrap();
        assert!(
            text.contains(MASK) && !text.contains("tell-nobody"),
            "{text}"
        );
        assert!(text.contains("limit = 5"));
    }
}
