//! The `[store]` section.

use serde::Deserialize;

/// Where the store is. Has no `Debug`: a mistyped URL may hold a password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `sqlite:` and the path of a file, which is created when it is not there
    /// (`sqlite:wecomgw.db`, `sqlite:/var/lib/wecomgw/wecomgw.db`), or `sqlite::memory:`,
    /// which is forgotten when the process ends; or `postgres://` and the address of a server that
    /// replicas share.
    pub url: String,
}

impl Settings {
    /// Whether the store is forgotten when the process ends.
    pub fn is_in_memory(&self) -> bool {
        self.url == "sqlite::memory:"
    }
}
