//! The `[login]` section.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::key::Keys;

/// Longest redirect address, in bytes.
const REDIRECT_URI_MAX_BYTES: usize = 2048;
/// Bounds of a session's life. A token cannot be taken back from those who verify
/// it by themselves, so it does not live for ever.
const LIFETIME: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30 * 86_400));
/// Longest issuer, in bytes. It is a part of every token.
const ISSUER_MAX_BYTES: usize = 256;

/// How people log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where a login may return: whole addresses, compared byte by byte.
    pub redirect_uris: Vec<String>,
    /// Whether Login asks for a state that BuildLoginUrl handed out.
    pub require_state: bool,
    /// How long a session lives.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// `iss` of the tokens.
    pub issuer: String,
    /// PEM files of Ed25519 private keys (PKCS #8). The first signs; all verify, and are
    /// published. Without any, a key is made at start.
    pub signing_key_files: Vec<PathBuf>,
}

impl Settings {
    /// Every value that cannot work.
    pub fn faults(&self) -> Vec<String> {
        let Self {
            redirect_uris,
            require_state: _,
            session_lifetime,
            issuer,
            signing_key_files,
        } = self;
        let mut faults: Vec<String> = redirect_uris.iter().filter_map(|uri| fault(uri)).collect();
        let known: HashSet<&String> = redirect_uris.iter().collect();
        if known.len() < redirect_uris.len() {
            faults.push("login.redirect_uris names an address twice".into());
        }
        if !(LIFETIME.0..=LIFETIME.1).contains(session_lifetime) {
            faults.push("login.session_lifetime must be between 1m and 30days".into());
        }
        if issuer.is_empty() || issuer.len() > ISSUER_MAX_BYTES {
            let limit = ISSUER_MAX_BYTES;
            faults.push(format!("login.issuer must be 1 to {limit} bytes"));
        }
        faults.extend(Keys::load(signing_key_files).err().into_iter().flatten());
        faults
    }

    /// Whether people can log in at all with these settings.
    pub fn in_use(&self) -> bool {
        !self.redirect_uris.is_empty() || !self.require_state
    }
}

/// What is wrong with a redirect address, if anything.
fn fault(uri: &str) -> Option<String> {
    let fault = |rule: &str| Some(format!("login.redirect_uris: {uri:?} {rule}"));
    if uri.len() > REDIRECT_URI_MAX_BYTES {
        return fault("is over 2048 bytes");
    }
    if uri.contains('#') {
        return fault("has a fragment, which browsers do not send");
    }
    if uri.contains('*') {
        return fault("has a `*`; each address is written out");
    }
    let parsed = uri.parse::<http::Uri>().ok();
    let Some(parsed) = parsed.filter(|_| uri.is_ascii()) else {
        return fault("is no address; percent-encode what is not ASCII");
    };
    let web = matches!(parsed.scheme_str(), Some("https" | "http"));
    match parsed.authority() {
        Some(authority) if web && !authority.as_str().contains('@') => None,
        Some(_) if web => fault("has a user name"),
        _ => fault("must begin with https:// or http:// and name a host"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(redirect_uris: &[&str]) -> Settings {
        Settings {
            redirect_uris: redirect_uris.iter().map(|uri| (*uri).into()).collect(),
            require_state: true,
            session_lifetime: Duration::from_secs(3600),
            issuer: "wecomgw".into(),
            signing_key_files: Vec::new(),
        }
    }

    #[test]
    fn redirect_addresses_are_whole_web_addresses() {
        for good in [
            "https://oa.example.com/login/callback",
            "http://127.0.0.1:8000/callback?from=wecom",
            "https://oa.example.com",
        ] {
            assert_eq!(settings(&[good]).faults(), Vec::<String>::new(), "{good}");
        }
        for bad in [
            "",
            "/callback",
            "oa.example.com/callback",
            "ftp://oa.example.com/",
            "javascript:alert(1)",
            "https://*.example.com/callback",
            "https://oa.example.com/callback#done",
            "https://user@oa.example.com/",
            "https://oa.example.com/回调",
            "https://oa.example.com/a b",
            "https:///callback",
        ] {
            assert_eq!(settings(&[bad]).faults().len(), 1, "{bad}");
        }
        let twice = settings(&["https://a.example.com/", "https://a.example.com/"]);
        assert_eq!(twice.faults().len(), 1);
    }

    #[test]
    fn lifetime_issuer_and_key_files_are_checked() {
        let good = settings(&[]);
        for seconds in [0, 59, 30 * 86_400 + 1] {
            let session_lifetime = Duration::from_secs(seconds);
            let wrong = Settings {
                session_lifetime,
                ..good.clone()
            };
            assert_eq!(wrong.faults().len(), 1, "{seconds}");
        }
        let issuer = String::new();
        assert_eq!(
            Settings {
                issuer,
                ..good.clone()
            }
            .faults()
            .len(),
            1
        );
        let signing_key_files = vec!["/nowhere/key.pem".into()];
        let faults = Settings {
            signing_key_files,
            ..good
        }
        .faults();
        assert!(faults[0].contains("/nowhere/key.pem"), "{faults:?}");
    }
}
