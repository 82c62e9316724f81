//! What an operator sets about callers.

use std::path::PathBuf;

use serde::Deserialize;

/// One caller: a section `[[callers]]`. At least one of `token_file`, `token_sha256`,
/// `certificate` and `service_account` says how it is known.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name for logs; request ids and jobs belong to it.
    pub name: String,
    /// File that holds the API token, or several, one a line, while one takes over
    /// from another.
    pub token_file: Option<PathBuf>,
    /// SHA-256 of the API token, 64 hexadecimal digits.
    pub token_sha256: Option<String>,
    /// Subject alternative name of its client certificate: a URI as in
    /// `spiffe://example.org/billing`, or a DNS name.
    pub certificate: Option<String>,
    /// Its Kubernetes service account, `namespace/name`.
    pub service_account: Option<String>,
    /// RPCs that it may call: `MessageService/SendMessage`, `MessageService/*`, `*`.
    /// `AuthService/GetAccessToken` only where it is named.
    pub permissions: Vec<String>,
    /// Apps that it may use; `*` is all.
    pub apps: Vec<String>,
    /// Paths of WeCom that it may call by GatewayService.CallApi; none when absent.
    pub api_paths: Option<Vec<String>>,
}

/// How tokens of Kubernetes service accounts are checked: the section
/// `[service_accounts]`. Without an issuer none is taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountSettings {
    /// `iss` of the tokens: the API server's `--service-account-issuer`.
    pub issuer: Option<String>,
    /// What `aud` must contain. Default `wecomgw`.
    pub audience: String,
    /// File with the issuer's public keys (JWKS).
    pub jwks_file: Option<PathBuf>,
    /// Address of the issuer's public keys, https.
    pub jwks_url: Option<String>,
    /// PEM file of the certificate authorities of `jwks_url`, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// File with the bearer token that `jwks_url` asks for.
    pub token_file: Option<PathBuf>,
}
