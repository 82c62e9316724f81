//! What an operator sets about each caller.

use std::path::PathBuf;

use serde::Deserialize;

/// One caller: a section `[[callers]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name for logs; request ids and jobs belong to it.
    pub name: String,
    /// File that holds the API token.
    pub token_file: Option<PathBuf>,
    /// SHA-256 of the API token, 64 hexadecimal digits.
    pub token_sha256: Option<String>,
    /// RPCs that it may call: `MessageService/SendMessage`, `MessageService/*`, `*`.
    /// `AuthService/GetAccessToken` only where it is named.
    pub permissions: Vec<String>,
    /// Apps that it may use; `*` is all.
    pub apps: Vec<String>,
    /// Paths of WeCom that it may call by GatewayService.CallApi; none when absent.
    pub api_paths: Option<Vec<String>>,
}
