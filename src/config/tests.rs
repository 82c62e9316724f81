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
