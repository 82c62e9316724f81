//! Callers, their API tokens and their permissions.

use std::fs;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::settings::Settings;

/// Stands for everything in `permissions` and `apps`.
const ALL: &str = "*";
/// RPCs that no `*` covers: whoever holds an access token can do all that the app can,
/// past every permission here. A caller gets them only by name.
const BY_NAME_ONLY: [&str; 1] = ["AuthService/GetAccessToken"];

/// Why a call is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No API token was given.
    #[error("no API token; send the metadata `authorization: Bearer <token>`")]
    NoToken,
    /// The API token belongs to nobody.
    #[error("the API token is not known")]
    UnknownToken,
    /// The caller may not call this RPC.
    #[error("the caller may not call this RPC; its `permissions` must name it")]
    NotPermitted,
}

/// A program that calls.
#[derive(Debug)]
pub struct Caller {
    name: String,
    permissions: Vec<String>,
    apps: Vec<String>,
    api_paths: Vec<&'static str>,
}

impl Caller {
    /// Its name; empty when the gateway has no callers configured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may call `rpc`, as in `MessageService/SendMessage`.
    pub fn may_call(&self, rpc: &str) -> bool {
        self.permissions.iter().any(|permission| {
            let covers = |service: &str| {
                service.is_empty() || service.ends_with('/') && rpc.starts_with(service)
            };
            permission == rpc
                || !BY_NAME_ONLY.contains(&rpc) && permission.strip_suffix(ALL).is_some_and(covers)
        })
    }

    /// The path of WeCom as the operator listed it for this caller.
    pub fn api_path(&self, path: &str) -> Option<&'static str> {
        self.api_paths
            .iter()
            .find(|listed| **listed == path)
            .copied()
    }

    /// Whether it may use `app`.
    pub fn may_use(&self, app: &str) -> bool {
        self.apps
            .iter()
            .any(|allowed| allowed == ALL || allowed == app)
    }
}

/// All callers. Without any, everyone is let in as a caller without a name.
pub struct Access {
    callers: Vec<([u8; 32], Arc<Caller>)>,
    anyone: Option<Arc<Caller>>,
}

impl Access {
    /// Reads the API tokens, or tells every fault of the settings.
    pub fn new(callers: &[Settings]) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut known: Vec<([u8; 32], Arc<Caller>)> = Vec::new();
        for settings in callers {
            let name = &settings.name;
            let (digest, caller) = match read(settings) {
                Ok(read) => read,
                Err(fault) => {
                    faults.push(format!("caller {name:?}: {fault}"));
                    continue;
                }
            };
            // Request ids and sessions belong to a name, and a token leads to one caller.
            if known.iter().any(|(_, other)| other.name == *name) {
                faults.push(format!("caller {name:?} is configured twice"));
            }
            if let Some((_, other)) = known.iter().find(|(other, _)| *other == digest) {
                faults.push(format!(
                    "callers {:?} and {name:?} have the same API token",
                    other.name
                ));
            }
            known.push((digest, caller));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let anyone = known.is_empty().then(|| {
            let all = [ALL].into_iter().map(str::to_owned);
            let named = BY_NAME_ONLY.into_iter().map(str::to_owned);
            Arc::new(Caller {
                name: String::new(),
                permissions: all.clone().chain(named).collect(),
                apps: all.collect(),
                // Off unless an operator lists a path for a caller.
                api_paths: Vec::new(),
            })
        });
        Ok(Self {
            callers: known,
            anyone,
        })
    }

    /// Whether everyone is let in.
    pub fn is_open(&self) -> bool {
        self.anyone.is_some()
    }

    /// Who calls, by the value of the `authorization` metadata.
    pub fn identify(&self, authorization: Option<&str>) -> Result<Arc<Caller>, Error> {
        if let Some(anyone) = &self.anyone {
            return Ok(anyone.clone());
        }
        let token = authorization.and_then(bearer).ok_or(Error::NoToken)?;
        let digest = sha256(token.as_bytes());
        // Compares with every caller, in a time that tells nothing.
        let mut found = None;
        for (known, caller) in &self.callers {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(caller);
            }
        }
        found.cloned().ok_or(Error::UnknownToken)
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn read(settings: &Settings) -> Result<([u8; 32], Arc<Caller>), String> {
    let Settings {
        name,
        token_file,
        token_sha256,
        permissions,
        apps,
        api_paths,
    } = settings;
    if name.is_empty() {
        return Err("`name` is empty".into());
    }
    let digest = match (token_file, token_sha256) {
        (Some(path), None) => {
            let text = fs::read_to_string(path)
                .map_err(|error| format!("cannot read token_file {}: {error}", path.display()))?;
            let token = text.trim();
            if token.is_empty() {
                return Err(format!("token_file {} is empty", path.display()));
            }
            sha256(token.as_bytes())
        }
        (None, Some(hexadecimal)) => {
            let mut digest = [0; 32];
            hex::decode_to_slice(hexadecimal, &mut digest)
                .map_err(|_| "`token_sha256` must be 64 hexadecimal digits".to_owned())?;
            digest
        }
        _ => return Err("set exactly one of `token_file` and `token_sha256`".into()),
    };
    let caller = Caller {
        name: name.clone(),
        permissions: permissions.clone(),
        apps: apps.clone(),
        api_paths: api_paths
            .iter()
            .flatten()
            .map(|path| listed(path))
            .collect::<Result<_, _>>()?,
    };
    Ok((digest, Arc::new(caller)))
}

/// A listed path. It lives as long as the process, as our own paths do.
fn listed(path: &str) -> Result<&'static str, String> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_/".contains(&byte);
    if path.is_empty() || !path.bytes().all(plain) || path.starts_with('/') {
        return Err(format!(
            "`api_paths` has {path:?}; write it as in \"agent/get\""
        ));
    }
    if path == "gettoken" {
        return Err("`api_paths` cannot have gettoken; there is AuthService.GetAccessToken".into());
    }
    Ok(Box::leak(path.to_owned().into_boxed_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(token_sha256: Option<&str>) -> Settings {
        Settings {
            name: "billing".into(),
            token_file: None,
            token_sha256: token_sha256.map(str::to_owned),
            permissions: vec!["MessageService/*".into(), "GatewayService/ListApps".into()],
            apps: vec!["youxiao".into()],
            api_paths: Some(vec!["agent/get".into()]),
        }
    }

    #[test]
    fn a_token_names_its_caller_and_only_its_caller() {
        let access = Access::new(&[settings(Some(&hex::encode(sha256(b"open-sesame"))))]).unwrap();
        assert!(!access.is_open());
        for (authorization, expected) in [
            (None, Err(Error::NoToken)),
            (Some("open-sesame"), Err(Error::NoToken)),
            (Some("Basic open-sesame"), Err(Error::NoToken)),
            (Some("Bearer "), Err(Error::NoToken)),
            (Some("Bearer open-sesamf"), Err(Error::UnknownToken)),
            (Some("Bearer open-sesame"), Ok("billing")),
            (Some("bearer open-sesame"), Ok("billing")),
        ] {
            let caller = access.identify(authorization);
            assert_eq!(
                caller
                    .as_ref()
                    .map(|caller| caller.name())
                    .map_err(|error| *error),
                expected
            );
        }
    }

    #[test]
    fn permissions_are_rpc_names() {
        let access = Access::new(&[settings(Some(&"0".repeat(64)))]).unwrap();
        let caller = &access.callers[0].1;
        assert!(caller.may_call("MessageService/SendMessage"));
        assert!(caller.may_call("GatewayService/ListApps"));
        assert!(!caller.may_call("GatewayService/CallApi"));
        assert!(!caller.may_call("MessageServices/Other"));
        assert!(caller.may_use("youxiao") && !caller.may_use("other"));
    }

    #[test]
    fn an_access_token_is_given_to_those_who_are_named_for_it() {
        let may_call = |permission: &str| {
            let permissions = vec![permission.to_owned()];
            let settings = Settings {
                permissions,
                ..settings(Some(&"0".repeat(64)))
            };
            let access = Access::new(&[settings]).unwrap();
            access.callers[0].1.may_call("AuthService/GetAccessToken")
        };
        assert!(may_call("AuthService/GetAccessToken"));
        assert!(!may_call("*") && !may_call("AuthService/*"));
    }

    #[test]
    fn paths_are_those_that_are_listed() {
        let access = Access::new(&[settings(Some(&"0".repeat(64)))]).unwrap();
        let caller = &access.callers[0].1;
        assert_eq!(caller.api_path("agent/get"), Some("agent/get"));
        assert_eq!(caller.api_path("agent/set"), None);
        assert_eq!(
            Access::new(&[])
                .unwrap()
                .identify(None)
                .unwrap()
                .api_path("agent/get"),
            None
        );
        for path in ["", "/agent/get", "agent/get?x=1", "../agent", "gettoken"] {
            assert!(listed(path).is_err(), "{path}");
        }
    }

    #[test]
    fn wrong_settings_are_told_all_at_once() {
        let faults = Access::new(&[settings(None), settings(Some("xyz"))])
            .err()
            .unwrap();
        assert_eq!(faults.len(), 2);
    }

    #[test]
    fn without_callers_everyone_is_let_in() {
        let access = Access::new(&[]).unwrap();
        assert!(access.is_open());
        assert!(
            access
                .identify(None)
                .unwrap()
                .may_call("UserService/GetUser")
        );
    }
}
