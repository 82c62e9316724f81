//! Why a call is not let in.

/// Why a call is not let in. Of a refused token no more is told than what its sender
/// needs; which of the rules it broke, an attacker would like to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing says who calls.
    #[error("no API token; send the metadata `authorization: Bearer <token>`")]
    NoToken,
    /// The API token belongs to nobody.
    #[error("the API token is not known")]
    UnknownToken,
    /// The names of the client certificate belong to nobody.
    #[error("no caller is configured for this client certificate")]
    UnknownCertificate,
    /// The service account's token does not hold, or is nobody's here.
    #[error("the service account token is not taken: see its issuer, audience and life")]
    TokenRefused,
    /// There are no keys to check service account tokens with.
    #[error("the keys of the service accounts cannot be had now")]
    KeysUnavailable,
    /// The caller may not call this RPC.
    #[error("the caller may not call this RPC; its `permissions` must name it")]
    NotPermitted,
}

impl Error {
    /// One word, for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::UnknownToken => "unknown_token",
            Self::UnknownCertificate => "unknown_certificate",
            Self::TokenRefused => "service_account_refused",
            Self::KeysUnavailable => "keys_unavailable",
            Self::NotPermitted => "not_permitted",
        }
    }
}
