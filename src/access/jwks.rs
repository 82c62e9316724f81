//! The issuer's public keys: where they come from, and how long they are good.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

use super::settings::ServiceAccountSettings;

/// Longest answer that is read: a hundred RSA keys of 4096 bits.
const JWKS_MAX_BYTES: usize = 128 * 1024;
/// Longest wait for the keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// What a token's `alg` may be: what API servers sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    RS256,
    ES256,
}

/// A public key. It knows its own algorithm: the token's word for it is only compared.
pub(super) struct Key {
    id: String,
    pub(super) algorithm: Algorithm,
    /// RSA: modulus and exponent. ECDSA: the point, uncompressed, and nothing.
    parts: [Vec<u8>; 2],
}

impl Key {
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let [first, second] = &self.parts;
        match self.algorithm {
            Algorithm::RS256 => RsaPublicKeyComponents {
                n: first,
                e: second,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .is_ok(),
            Algorithm::ES256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, first)
                .verify(message, signature)
                .is_ok(),
        }
    }
}

/// Keys by id. An id that two keys have is nobody's.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(text).map_err(|_| "no JWKS".to_owned())?;
        // Kinds of keys that we do not know are somebody else's business.
        let keys: Vec<Key> = set.keys.into_iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err("no RS256 or ES256 key with a `kid` in the JWKS".to_owned());
        }
        Ok(Self(keys))
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        let mut with_id = self.0.iter().filter(|key| key.id == id);
        match (with_id.next(), with_id.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }
}

fn key(value: serde_json::Value) -> Option<Key> {
    #[derive(Deserialize)]
    struct Jwk {
        kid: String,
        alg: Option<Algorithm>,
        #[serde(rename = "use")]
        usage: Option<String>,
        #[serde(flatten)]
        kind: Kind,
    }
    #[derive(Deserialize)]
    #[serde(tag = "kty")]
    enum Kind {
        #[serde(rename = "RSA")]
        Rsa { n: String, e: String },
        #[serde(rename = "EC")]
        Ec { crv: String, x: String, y: String },
    }
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let (algorithm, parts) = match &jwk.kind {
        Kind::Rsa { n, e } => (Algorithm::RS256, [bytes(n)?, bytes(e)?]),
        Kind::Ec { crv, x, y } if crv == "P-256" => {
            let point = [vec![4], bytes(x)?, bytes(y)?].concat();
            (Algorithm::ES256, [point, Vec::new()])
        }
        Kind::Ec { .. } => return None,
    };
    let fits =
        jwk.alg.is_none_or(|alg| alg == algorithm) && jwk.usage.is_none_or(|usage| usage == "sig");
    fits.then_some(Key {
        id: jwk.kid,
        algorithm,
        parts,
    })
}

/// Where the keys come from.
pub(super) enum Source {
    File(PathBuf),
    Url {
        url: Url,
        http: reqwest::Client,
        token_file: Option<PathBuf>,
    },
}

impl Source {
    pub(super) fn new(settings: &ServiceAccountSettings) -> Result<Self, String> {
        match (&settings.jwks_file, &settings.jwks_url) {
            (Some(path), None) => Ok(Self::File(path.clone())),
            (None, Some(url)) => {
                let url: Url = url
                    .parse()
                    .map_err(|_| "`jwks_url` is no address".to_owned())?;
                let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
                if url.scheme() != "https" && !local {
                    return Err("`jwks_url` must be https: whoever changes the keys on their way can be any caller".into());
                }
                Ok(Self::Url {
                    url,
                    http: http(settings)?,
                    token_file: settings.token_file.clone(),
                })
            }
            _ => Err("set one of `jwks_file` and `jwks_url`".into()),
        }
    }

    /// Reads the keys. No text of theirs, nor of the token, is in the error.
    pub(super) async fn load(&self) -> Result<Keys, String> {
        let text = match self {
            Self::File(path) => fs::read(path)
                .map_err(|error| format!("cannot read jwks_file {}: {error}", path.display()))?,
            Self::Url {
                url,
                http,
                token_file,
            } => {
                let fetch = fetch(http, url.clone(), token_file.as_deref());
                match tokio::time::timeout(FETCH_TIMEOUT, fetch).await {
                    Ok(fetched) => fetched?,
                    Err(_) => return Err("jwks_url did not answer in 5 s".into()),
                }
            }
        };
        Keys::parse(&text)
    }
}

fn http(settings: &ServiceAccountSettings) -> Result<reqwest::Client, String> {
    // Idempotent: the first provider of the process stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    if let Some(path) = &settings.ca_file {
        let certificates = fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|pem| {
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())
            })
            .map_err(|error| format!("cannot use ca_file {}: {error}", path.display()))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder
        .build()
        .map_err(|error| format!("cannot set up HTTPS: {}", error.without_url()))
}

async fn fetch(
    http: &reqwest::Client,
    url: Url,
    token_file: Option<&std::path::Path>,
) -> Result<Vec<u8>, String> {
    let mut request = http.get(url);
    if let Some(path) = token_file {
        // Each time anew: Kubernetes replaces it within the hour.
        let token = fs::read_to_string(path)
            .map_err(|error| format!("cannot read token_file {}: {error}", path.display()))?;
        request = request.bearer_auth(token.trim());
    }
    let told = |error: reqwest::Error| format!("jwks_url failed: {}", error.without_url());
    let mut response = request.send().await.map_err(told)?;
    if !response.status().is_success() {
        return Err(format!("jwks_url answered {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > JWKS_MAX_BYTES {
            return Err("jwks_url answered more than 128 KiB".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
