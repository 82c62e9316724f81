//! What an operator sets about WeCom and about each app.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::content::TaskCardName;

/// How WeCom is reached: the section `[wecom]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Scheme, host, optional port and path prefix; `/cgi-bin/…` is appended.
    pub base_url: String,
    /// Where the OAuth page for browsers inside WeCom is; `/connect/oauth2/authorize`
    /// is appended.
    pub oauth_page_base_url: String,
    /// Where the login page with the QR code is; `/wwlogin/sso/login` is appended.
    pub qr_page_base_url: String,
    /// Allows `http://` to a host that is not this machine.
    pub insecure_http: bool,
    /// Longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Longest wait for the answer to a call.
    #[serde(with = "humantime_serde")]
    pub call_timeout: Duration,
    /// Longest wait for the answer to an upload.
    #[serde(with = "humantime_serde")]
    pub upload_timeout: Duration,
    /// Folder where uploads wait until they are complete; the system's folder for
    /// temporary files when absent.
    pub upload_dir: Option<PathBuf>,
    /// How long an unused connection is kept.
    #[serde(with = "humantime_serde")]
    pub pool_idle_timeout: Duration,
    /// Unused connections kept for each app.
    pub pool_max_idle: usize,
    /// Proxy for all apps: `http://[user:password@]host:port`.
    pub proxy: Option<SecretString>,
    /// PEM file of certificate authorities trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Under which name legacy task cards are sent.
    pub task_card_name: TaskCardName,
}

impl Settings {
    /// Every value that cannot work; those of apps are told by [`super::build`].
    pub fn faults(&self) -> Vec<String> {
        let times = [
            ("connect_timeout", self.connect_timeout),
            ("call_timeout", self.call_timeout),
            ("upload_timeout", self.upload_timeout),
        ];
        let zero = times.iter().filter(|(_, time)| time.is_zero());
        let mut faults: Vec<String> = zero
            .map(|(key, _)| format!("wecom.{key} must be longer than 0s"))
            .collect();
        if let Some(folder) = self.upload_dir.as_ref().filter(|folder| !folder.is_dir()) {
            faults.push(format!(
                "wecom.upload_dir: {} is no folder",
                folder.display()
            ));
        }
        faults
    }
}

/// One self-built app (自建应用): a section `[[apps]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The name that callers use.
    pub name: String,
    /// Corp id (企业ID).
    pub corp_id: String,
    /// Agent id of the app.
    pub agent_id: u32,
    /// The app's secret; `secret_file` is the better place.
    pub secret: Option<SecretString>,
    /// File that holds the secret.
    pub secret_file: Option<PathBuf>,
    /// The contacts secret (通讯录同步), which ListUserIds needs;
    /// `contacts_secret_file` is the better place.
    pub contacts_secret: Option<SecretString>,
    /// File that holds the contacts secret.
    pub contacts_secret_file: Option<PathBuf>,
    /// Whether members, departments and tags are read with the contacts secret too.
    /// WeCom refuses that to addresses it knows only since 2022-08-15 (errcode 48009).
    pub contacts_details: Option<bool>,
    /// In place of `wecom.base_url`.
    pub base_url: Option<String>,
    /// In place of `wecom.proxy`.
    pub proxy: Option<SecretString>,
    /// In place of `wecom.ca_file`.
    pub ca_file: Option<PathBuf>,
    /// Person-messages a day: the corp's account limit times 200. Not counted
    /// when absent.
    pub daily_person_messages: Option<u64>,
}

/// An app whose settings hold.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) name: String,
    pub(super) corp_id: String,
    pub(super) agent_id: u32,
    pub(super) secret: SecretString,
    pub(super) contacts_secret: Option<SecretString>,
    pub(super) contacts_details: bool,
    pub(super) base_url: Url,
    pub(super) proxy: Option<SecretString>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) daily_person_messages: Option<u64>,
    /// Longest wait for the answer to a call.
    pub(super) call_timeout: Duration,
}

impl App {
    /// Reads the secret and checks every value. All faults come back at once.
    pub(super) fn resolve(&self, settings: &Settings) -> Result<Resolved, Vec<String>> {
        let Self {
            name,
            corp_id,
            agent_id,
            secret,
            secret_file,
            contacts_secret,
            contacts_secret_file,
            contacts_details,
            base_url,
            proxy,
            ca_file,
            daily_person_messages,
        } = self;
        let mut faults = Vec::new();
        let mut fault = |text: String| faults.push(format!("app {name:?}: {text}"));
        if name.is_empty() {
            fault("`name` is empty; give the app a name that callers can use".into());
        }
        if corp_id.is_empty() {
            fault("`corp_id` is empty; it stands in WeCom's console under My company".into());
        }
        let secret = read_secret("secret", secret.as_ref(), secret_file.as_deref())
            .and_then(|secret| {
                secret.ok_or_else(|| "set one of `secret_file` and `secret`".to_owned())
            })
            .unwrap_or_else(|text| {
                fault(text);
                SecretString::default()
            });
        let contacts_secret = read_secret(
            "contacts_secret",
            contacts_secret.as_ref(),
            contacts_secret_file.as_deref(),
        )
        .unwrap_or_else(|text| {
            fault(text);
            None
        });
        let contacts_details = contacts_details.unwrap_or(false);
        if contacts_details && contacts_secret.is_none() {
            fault("`contacts_details` needs a `contacts_secret_file`".into());
        }
        let base_url = parse_base_url(
            base_url.as_ref().unwrap_or(&settings.base_url),
            settings.insecure_http,
        )
        .map_err(&mut fault)
        .ok();
        match base_url {
            Some(base_url) if faults.is_empty() => Ok(Resolved {
                name: name.clone(),
                corp_id: corp_id.clone(),
                agent_id: *agent_id,
                secret,
                contacts_secret,
                contacts_details,
                base_url,
                proxy: proxy.clone().or_else(|| settings.proxy.clone()),
                ca_file: ca_file.clone().or_else(|| settings.ca_file.clone()),
                daily_person_messages: *daily_person_messages,
                call_timeout: settings.call_timeout,
            }),
            _ => Err(faults),
        }
    }
}

/// The secret that stands under `key` or in the file under `key` and `_file`.
pub(super) fn read_secret(
    key: &str,
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, String> {
    match (value, file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!("set only one of `{key}_file` and `{key}`")),
        (Some(value), None) if value.expose_secret().is_empty() => {
            Err(format!("`{key}` is set to nothing"))
        }
        (Some(value), None) => Ok(Some(value.clone())),
        (None, Some(path)) => match fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {
                Err(format!("{key}_file {} is empty", path.display()))
            }
            Ok(text) => Ok(Some(SecretString::from(text.trim().to_owned()))),
            Err(error) => Err(format!(
                "cannot read {key}_file {}: {error}",
                path.display()
            )),
        },
    }
}

/// The base address, ending in a slash. Plain HTTP would show tokens to the
/// network, so it is for this machine alone unless `insecure_http` is set.
fn parse_base_url(text: &str, insecure_http: bool) -> Result<Url, String> {
    // The text itself is never shown: a password may stand in it.
    let mut url = Url::parse(text).map_err(|error| format!("`base_url` is no address: {error}"))?;
    let loopback = url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    });
    match url.scheme() {
        "https" => {}
        "http" if loopback || insecure_http => {}
        "http" => {
            return Err(format!(
                "`base_url` would send tokens in clear to {}; use https, or set wecom.insecure_http",
                url.host_str().unwrap_or_default()
            ));
        }
        _ => return Err("`base_url` must begin with https://".into()),
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("`base_url` takes no user, query or fragment".into());
    }
    if url.path().trim_end_matches('/').ends_with("/cgi-bin") {
        return Err(
            "`base_url` ends in /cgi-bin, which the gateway appends itself: leave it out".into(),
        );
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        assert!(parse_base_url("http://127.0.0.1:8800", false).is_ok());
        assert!(parse_base_url("http://[::1]:8800", false).is_ok());
        assert!(parse_base_url("http://wecom.example.com", false).is_err());
        assert!(parse_base_url("http://wecom.example.com", true).is_ok());
        assert!(parse_base_url("ftp://wecom.example.com", true).is_err());
        assert!(parse_base_url("https://user@wecom.example.com", false).is_err());
    }

    #[test]
    fn a_path_prefix_is_kept() {
        let url = parse_base_url("https://relay.example.com/wecom", false).unwrap();
        assert_eq!(
            url.join("cgi-bin/gettoken").unwrap().path(),
            "/wecom/cgi-bin/gettoken"
        );
    }

    /// The section `[wecom]` as it comes.
    fn defaults() -> Settings {
        #[derive(Deserialize)]
        struct Defaults {
            wecom: Settings,
        }
        let defaults: Defaults =
            toml::from_str(include_str!("../config.default.toml")).expect("the defaults");
        defaults.wecom
    }

    fn app(keys: &str) -> Result<Resolved, Vec<String>> {
        #[derive(Deserialize)]
        struct File {
            apps: Vec<App>,
        }
        let file = format!("[[apps]]\nname = \"a\"\ncorp_id = \"ww1\"\nagent_id = 1\n{keys}\n");
        let file: File = toml::from_str(&file).expect("an app");
        file.apps[0].resolve(&defaults())
    }

    #[test]
    fn secrets_stand_in_the_file_or_in_the_open_but_not_in_both() {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, " from-a-file ").expect("written");
        let path = file.path().display();
        let exposed = |secret: &SecretString| secret.expose_secret().to_owned();

        let plain = app("secret = \"s\"").expect("resolves");
        assert_eq!(exposed(&plain.secret), "s");
        assert!(plain.contacts_secret.is_none() && !plain.contacts_details);
        let both =
            format!("secret = \"s\"\ncontacts_secret_file = \"{path}\"\ncontacts_details = true");
        let both = app(&both).expect("resolves");
        let contacts = both.contacts_secret.as_ref().map(exposed);
        assert_eq!(contacts.as_deref(), Some("from-a-file"));
        assert!(both.contacts_details);

        for (keys, expected) in [
            ("", vec!["secret"]),
            ("secret = \"\"", vec!["`secret` is set to nothing"]),
            (
                "secret = \"s\"\nsecret_file = \"f\"",
                vec!["only one of `secret_file`"],
            ),
            (
                "secret_file = \"/no/such\"",
                vec!["cannot read secret_file"],
            ),
            (
                "secret = \"s\"\ncontacts_secret = \"c\"\ncontacts_secret_file = \"f\"",
                vec!["only one of `contacts_secret_file`"],
            ),
            (
                "contacts_secret = \"\"\ncontacts_details = true",
                vec![
                    "`secret`",
                    "`contacts_secret` is set to nothing",
                    "contacts_details",
                ],
            ),
            (
                "secret = \"s\"\ncontacts_details = true",
                vec!["contacts_details"],
            ),
        ] {
            let faults = app(keys).expect_err(keys);
            assert_eq!(faults.len(), expected.len(), "{keys}: {faults:?}");
            for (fault, part) in faults.iter().zip(expected) {
                assert!(fault.contains(part), "{fault}");
            }
        }
    }

    #[test]
    fn values_that_cannot_work_are_named_all_at_once() {
        let mut settings = defaults();
        assert_eq!(settings.faults(), Vec::<String>::new());
        settings.upload_dir = Some("/nowhere/at/all".into());
        settings.call_timeout = Duration::ZERO;
        let faults = settings.faults();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].starts_with("wecom.call_timeout")
                && faults[1].starts_with("wecom.upload_dir")
        );
    }
}
