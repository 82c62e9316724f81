//! Which secrets come from files, and who takes them in when the files change.

use std::path::PathBuf;
use std::sync::Arc;

use crate::access::{self, Access};
use crate::{reload, wecom};

/// A secret that is taken in at once.
pub(super) fn secret(
    name: impl Into<String>,
    files: Vec<PathBuf>,
    apply: impl Fn() -> Result<(), String> + Send + 'static,
) -> reload::Secret {
    let apply: reload::Apply = Box::new(move || Box::pin(std::future::ready(apply())));
    reload::Secret::new(name.into(), files, apply)
}

pub(super) fn caller_secrets(
    callers: &[access::Settings],
    access: &Arc<Access>,
) -> Vec<reload::Secret> {
    let files = callers.iter().enumerate();
    let files =
        files.filter_map(|(index, caller)| Some((index, caller, caller.token_file.clone()?)));
    files
        .map(|(index, caller, file)| {
            let access = access.clone();
            let name = format!("caller/{}", caller.name);
            secret(name, vec![file], move || access.reload(index))
        })
        .collect()
}

/// The secrets of apps; `clients` are in the order of `apps`.
pub(super) fn app_secrets(apps: &[wecom::App], clients: &[wecom::Client]) -> Vec<reload::Secret> {
    let mut secrets = Vec::new();
    for (app, client) in apps.iter().zip(clients) {
        let mut add = |what: &str, file: &Option<PathBuf>, contacts: bool| {
            let Some(file) = file.clone() else { return };
            let (client, path) = (client.clone(), file.clone());
            let apply: reload::Apply = Box::new(move || {
                let (client, path) = (client.clone(), path.clone());
                Box::pin(async move {
                    match contacts {
                        false => client.reload_secret(&path).await,
                        true => client.reload_contacts_secret(&path).await,
                    }
                })
            });
            let name = format!("app/{}/{what}", app.name);
            secrets.push(reload::Secret::new(name, vec![file], apply));
        };
        add("secret", &app.secret_file, false);
        add("contacts_secret", &app.contacts_secret_file, true);
    }
    secrets
}
