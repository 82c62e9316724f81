//! Callers, how they are known, and their permissions.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use super::api_token::{self, TokenDigest};
use super::error::Error;
use super::service_account::ServiceAccounts;
use super::settings::Settings;

/// Stands for everything in `permissions` and `apps`.
const ALL: &str = "*";
/// RPCs that no `*` covers: whoever holds an access token can do all that the app can,
/// past every permission here. A caller gets them only by name.
const BY_NAME_ONLY: [&str; 1] = ["AuthService/GetAccessToken"];

/// A program that calls.
#[derive(Debug)]
pub struct Caller {
    name: String,
    permissions: Vec<String>,
    apps: Vec<String>,
    api_paths: Vec<&'static str>,
    /// Its place among the callers; `None` for whoever calls a gateway without any.
    index: Option<usize>,
}

impl Caller {
    /// Its place among the callers, from 0; `None` when the gateway has none configured.
    pub fn index(&self) -> Option<usize> {
        self.index
    }

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
    settings: Vec<Settings>,
    callers: Vec<Arc<Caller>>,
    anyone: Option<Arc<Caller>>,
    /// Digest of each API token and its caller's place.
    tokens: RwLock<Vec<(TokenDigest, usize)>>,
    /// Name in a client certificate to its caller's place.
    certificates: HashMap<String, usize>,
    /// Subject of a service account to its caller's place.
    subjects: HashMap<String, usize>,
    service_accounts: Option<ServiceAccounts>,
}

impl Access {
    /// Reads the API tokens, or tells every fault of the settings.
    pub fn new(
        callers: &[Settings],
        service_accounts: Option<ServiceAccounts>,
    ) -> Result<Self, Vec<String>> {
        let mut this = Self {
            settings: callers.to_vec(),
            callers: Vec::new(),
            anyone: None,
            tokens: RwLock::default(),
            certificates: HashMap::new(),
            subjects: HashMap::new(),
            service_accounts,
        };
        let mut faults = Vec::new();
        let mut tokens: Vec<(TokenDigest, usize)> = Vec::new();
        for (index, settings) in callers.iter().enumerate() {
            let name = &settings.name;
            let read = match this.add(index, settings) {
                Ok(read) => read,
                Err(fault) => {
                    faults.push(format!("caller {name:?}: {fault}"));
                    continue;
                }
            };
            // Request ids and sessions belong to a name, and a token leads to one caller.
            if callers[..index].iter().any(|other| other.name == *name) {
                faults.push(format!("caller {name:?} is configured twice"));
            }
            if let Some(other) = other_of(&tokens, &read, index) {
                let other = &callers[other].name;
                faults.push(format!(
                    "callers {other:?} and {name:?} have the same API token"
                ));
            }
            tokens.extend(read.into_iter().map(|digest| (digest, index)));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        this.tokens = RwLock::new(tokens);
        this.anyone = callers.is_empty().then(|| {
            let all = [ALL].into_iter().map(str::to_owned);
            let named = BY_NAME_ONLY.into_iter().map(str::to_owned);
            Arc::new(Caller {
                name: String::new(),
                permissions: all.clone().chain(named).collect(),
                apps: all.collect(),
                // Off unless an operator lists a path for a caller.
                api_paths: Vec::new(),
                index: None,
            })
        });
        Ok(this)
    }

    /// Adds a caller, and gives its API tokens.
    fn add(&mut self, index: usize, settings: &Settings) -> Result<Vec<TokenDigest>, String> {
        let Settings {
            name,
            token_file: _,
            token_sha256: _,
            certificate,
            service_account,
            permissions,
            apps,
            api_paths,
        } = settings;
        if name.is_empty() {
            return Err("`name` is empty".into());
        }
        let tokens = api_token::read(settings)?;
        if tokens.is_empty() && certificate.is_none() && service_account.is_none() {
            return Err(
                "set one of `token_file`, `token_sha256`, `certificate` and `service_account`"
                    .into(),
            );
        }
        if let Some(certificate) = certificate {
            if certificate.is_empty() || certificate.contains(ALL) {
                return Err(format!(
                    "`certificate` must be one whole name, as in \"spiffe://example.org/billing\", not {certificate:?}"
                ));
            }
            if self
                .certificates
                .insert(certificate.clone(), index)
                .is_some()
            {
                return Err(format!("`certificate` {certificate:?} is another caller's"));
            }
        }
        if let Some(account) = service_account {
            if self.service_accounts.is_none() {
                return Err("`service_account` needs `issuer` in [service_accounts]".into());
            }
            let subject = subject(account).ok_or_else(|| {
                format!("`service_account` must be \"namespace/name\", not {account:?}")
            })?;
            if self.subjects.insert(subject, index).is_some() {
                return Err(format!("`service_account` {account:?} is another caller's"));
            }
        }
        let api_paths = api_paths.iter().flatten().map(|path| listed(path));
        self.callers.push(Arc::new(Caller {
            name: name.clone(),
            permissions: permissions.clone(),
            apps: apps.clone(),
            api_paths: api_paths.collect::<Result<_, _>>()?,
            index: Some(index),
        }));
        Ok(tokens)
    }

    /// Whether everyone is let in.
    pub fn is_open(&self) -> bool {
        self.anyone.is_some()
    }

    /// How many callers are configured.
    pub fn len(&self) -> usize {
        self.callers.len()
    }

    /// Whether no caller is configured.
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// Where the tokens of service accounts are checked, if they are taken.
    pub fn service_accounts(&self) -> Option<&ServiceAccounts> {
        self.service_accounts.as_ref()
    }

    /// Who calls: by the value of the `authorization` metadata where there is one, else
    /// by the names of the client certificate, in their order. A token says more than a
    /// certificate, which may be that of a proxy, so a wrong token is not outweighed.
    pub fn identify(
        &self,
        authorization: Option<&str>,
        certificate_names: &[String],
    ) -> Result<Arc<Caller>, Error> {
        if let Some(anyone) = &self.anyone {
            return Ok(anyone.clone());
        }
        let index = match authorization {
            Some(authorization) => {
                let token = bearer(authorization).ok_or(Error::NoToken)?;
                match &self.service_accounts {
                    Some(accounts) if ServiceAccounts::looks_like(token) => {
                        let subject = accounts.verify(token, SystemTime::now())?;
                        self.subjects.get(&subject).ok_or(Error::TokenRefused)?
                    }
                    _ => &self.by_token(token).ok_or(Error::UnknownToken)?,
                }
            }
            None if certificate_names.is_empty() => return Err(Error::NoToken),
            None => certificate_names
                .iter()
                .find_map(|name| self.certificates.get(name))
                .ok_or(Error::UnknownCertificate)?,
        };
        Ok(self.callers[*index].clone())
    }

    /// Reads the tokens of the caller at `index` again.
    ///
    /// # Errors
    ///
    /// They cannot be read, or one is another caller's; the old ones serve on.
    pub fn reload(&self, index: usize) -> Result<(), String> {
        let read = api_token::read(&self.settings[index])?;
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = other_of(&tokens, &read, index) {
            let other = &self.settings[other].name;
            return Err(format!("caller {other:?} has the same API token"));
        }
        tokens.retain(|(_, of)| *of != index);
        tokens.extend(read.into_iter().map(|digest| (digest, index)));
        Ok(())
    }

    fn by_token(&self, token: &str) -> Option<usize> {
        let digest = api_token::digest(token);
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        // Compares with every caller's, in a time that tells nothing.
        let mut found = None;
        for (known, index) in &*tokens {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(*index);
            }
        }
        found
    }
}

/// The other caller that has one of these tokens.
fn other_of(tokens: &[(TokenDigest, usize)], read: &[TokenDigest], index: usize) -> Option<usize> {
    let mut others = tokens.iter().filter(|(_, of)| *of != index);
    let found = others.find(|(digest, _)| read.contains(digest));
    found.map(|(_, of)| *of)
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim())
}

/// `namespace/name` as Kubernetes writes it into `sub`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>).
fn subject(account: &str) -> Option<String> {
    let (namespace, name) = account.split_once('/')?;
    let plain = |part: &str| {
        let byte =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        !part.is_empty() && part.bytes().all(byte)
    };
    (plain(namespace) && plain(name)).then(|| format!("system:serviceaccount:{namespace}:{name}"))
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
            certificate: None,
            service_account: None,
            permissions: vec!["MessageService/*".into(), "GatewayService/ListApps".into()],
            apps: vec!["youxiao".into()],
            api_paths: Some(vec!["agent/get".into()]),
        }
    }

    #[test]
    fn a_token_names_its_caller_and_only_its_caller() {
        let access = Access::new(
            &[settings(Some(&hex::encode(api_token::digest(
                "open-sesame",
            ))))],
            None,
        )
        .unwrap();
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
            let caller = access.identify(authorization, &[]);
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
        let access = Access::new(&[settings(Some(&"0".repeat(64)))], None).unwrap();
        let caller = &access.callers[0];
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
            let access = Access::new(&[settings], None).unwrap();
            access.callers[0].may_call("AuthService/GetAccessToken")
        };
        assert!(may_call("AuthService/GetAccessToken"));
        assert!(!may_call("*") && !may_call("AuthService/*"));
    }

    #[test]
    fn paths_are_those_that_are_listed() {
        let access = Access::new(&[settings(Some(&"0".repeat(64)))], None).unwrap();
        let caller = &access.callers[0];
        assert_eq!(caller.api_path("agent/get"), Some("agent/get"));
        assert_eq!(caller.api_path("agent/set"), None);
        assert_eq!(
            Access::new(&[], None)
                .unwrap()
                .identify(None, &[])
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
        let faults = Access::new(&[settings(None), settings(Some("xyz"))], None)
            .err()
            .unwrap();
        assert_eq!(faults.len(), 2);
    }

    #[test]
    fn without_callers_everyone_is_let_in() {
        let access = Access::new(&[], None).unwrap();
        assert!(access.is_open());
        assert!(
            access
                .identify(None, &[])
                .unwrap()
                .may_call("UserService/GetUser")
        );
    }

    #[test]
    fn a_certificate_names_its_caller_unless_a_token_does() {
        let of = |name: &str, certificate: &str| Settings {
            name: name.into(),
            certificate: Some(certificate.into()),
            ..settings(Some(&hex::encode(api_token::digest(name))))
        };
        let callers = [
            of("billing", "spiffe://example.org/billing"),
            of("hr", "hr.example.org"),
        ];
        let access = Access::new(&callers, None).unwrap();
        let name = |authorization: Option<&str>, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let caller = access.identify(authorization, &names);
            caller.map(|caller| caller.name().to_owned())
        };
        let ok = |name: &str| Ok(name.to_owned());
        assert_eq!(name(None, &["hr.example.org"]), ok("hr"));
        let both = ["spiffe://example.org/billing", "hr.example.org"];
        assert_eq!(name(None, &both), ok("billing"));
        assert_eq!(name(Some("Bearer hr"), &both), ok("hr"));
        assert_eq!(name(Some("Bearer x"), &both), Err(Error::UnknownToken));
        assert_eq!(
            name(None, &["HR.example.org.evil"]),
            Err(Error::UnknownCertificate)
        );
        assert_eq!(name(None, &[]), Err(Error::NoToken));

        let twice = [of("a", "same.example.org"), of("b", "same.example.org")];
        assert!(Access::new(&twice, None).is_err());
        for wrong in ["", "*.example.org"] {
            assert!(Access::new(&[of("a", wrong)], None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_file_may_hold_the_old_and_the_new() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "old-token\n\nnew-token\n").unwrap();
        let settings = Settings {
            token_file: Some(file.clone()),
            ..settings(None)
        };
        let access = Access::new(std::slice::from_ref(&settings), None).unwrap();
        for token in ["old-token", "new-token"] {
            assert!(
                access
                    .identify(Some(&format!("Bearer {token}")), &[])
                    .is_ok()
            );
        }
        assert!(
            access
                .identify(Some("Bearer old-token\n\nnew-token"), &[])
                .is_err()
        );
        std::fs::write(&file, " \n").unwrap();
        assert!(Access::new(&[settings], None).is_err());
    }

    #[test]
    fn service_accounts_are_written_as_namespace_and_name() {
        assert_eq!(
            subject("pay/billing").as_deref(),
            Some("system:serviceaccount:pay:billing")
        );
        for wrong in [
            "",
            "billing",
            "/billing",
            "pay/",
            "pay/a/b",
            "pay:x/billing",
        ] {
            assert_eq!(subject(wrong), None, "{wrong}");
        }
    }
}
