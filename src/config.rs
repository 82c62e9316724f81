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
            std::fs::File::open(path).map_err(|source| Error::Unreadable {
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

fn describe(figment: &Figment, fault: &figment::Error) -> String {
    let key = fault.path.join(".");
    let text = match &fault.kind {
        Kind::UnknownField(_, known) => {
            format!("unknown setting; known here: {}", known.join(", "))
        }
        // The value stays out: it may be a secret.
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("expected {expected}")
        }
        Kind::MissingField(name) => format!("`{name}` is missing"),
        kind => kind.to_string(),
    };
    let metadata = fault
        .metadata
        .as_ref()
        .or_else(|| figment.find_metadata(&key));
    let origin = metadata.map_or_else(String::new, |metadata| match &metadata.source {
        Some(source) => format!(" (from {source})"),
        None => format!(" (from {})", metadata.name),
    });
    if key.is_empty() {
        format!("{text}{origin}")
    } else {
        format!("{key}: {text}{origin}")
    }
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
            let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            // Numbers, booleans and lists as figment reads them; the rest is text.
            let Ok(value) = text.parse::<Value>();
            insert(&mut settings, &key.to_ascii_lowercase(), value);
        }
        Self(settings)
    }
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
        Metadata::named(format!("{ENVIRONMENT_PREFIX}… in the environment"))
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
