//! The keys that sign session tokens. The first signs; every one verifies and is
//! published, so that a new key can be known before it signs, and an old one after.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Keys at once: next, active, and the retired of a long session lifetime.
const KEYS_MOST: usize = 16;

/// All keys, the signing one first.
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Whether the key was made here, and goes with the process.
    pub(super) made_here: bool,
}

/// One Ed25519 key.
pub(super) struct Key {
    /// RFC 7638 thumbprint.
    pub(super) id: String,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    /// The public key in base64url.
    x: String,
}

impl Keys {
    /// Reads the files, or makes a key where there is none. All faults come back at once.
    pub(super) fn load(files: &[PathBuf]) -> Result<Self, Vec<String>> {
        // Idempotent: ours is the only one in the process.
        let _ = PROVIDER.install_default();
        if files.is_empty() {
            return Ok(Self {
                keys: vec![Key::make()],
                made_here: true,
            });
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut faults = Vec::new();
        if files.len() > KEYS_MOST {
            faults.push(format!("login.signing_key_files: at most {KEYS_MOST} keys"));
        }
        for file in files {
            let fault = |text: &str| format!("login.signing_key_files: {}: {text}", file.display());
            match PrivatePkcs8KeyDer::from_pem_file(file) {
                // What the file holds stays out of the text.
                Err(rustls::pki_types::pem::Error::Io(error)) => {
                    faults.push(fault(&error.to_string()));
                }
                Err(_) => faults.push(fault("no PEM with a PRIVATE KEY (PKCS #8)")),
                Ok(der) => match Key::new(der.secret_pkcs8_der()) {
                    None => faults.push(fault(
                        "no Ed25519 key; `openssl genpkey -algorithm ed25519` makes one",
                    )),
                    Some(key) if keys.iter().any(|known| known.id == key.id) => {
                        faults.push(fault("the key is named twice"));
                    }
                    Some(key) => keys.push(key),
                },
            }
        }
        if faults.is_empty() {
            let made_here = false;
            Ok(Self { keys, made_here })
        } else {
            Err(faults)
        }
    }

    /// The key that signs.
    pub(super) fn active(&self) -> &Key {
        &self.keys[0]
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The public keys, as RFC 7517 and RFC 8037 write them.
    pub(super) fn jwks(&self) -> Value {
        let keys = self.keys.iter().map(|key| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.id, "x": key.x,
            })
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }
}

impl Key {
    fn make() -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .expect("the system has random numbers once it is up");
        Self::new(der.as_ref()).expect("a key made here can be read here")
    }

    /// From PKCS #8; openssl leaves the public key out of it.
    fn new(der: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
        let public = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(public);
        // RFC 7638: the required members in the order of their names, without blanks.
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Some(Self {
            id: URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)),
            signing: EncodingKey::from_ed_der(der),
            verifying: DecodingKey::from_ed_der(public),
            x,
        })
    }
}

/// jsonwebtoken on ring, which TLS has brought already. Ed25519 is all that it can do, so
/// no header can ask for anything else.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory,
    verifier_factory,
    key_utils: KeyUtils::new_unimplemented(),
};

fn signer_factory(algorithm: &Algorithm, key: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::EdDSA {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes())
        .map_err(|_| ErrorKind::InvalidEddsaKey)?;
    Ok(Box::new(RingSigner(pair)))
}

fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    if *algorithm != Algorithm::EdDSA {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let public = key.try_get_as_bytes()?.to_vec();
    Ok(Box::new(RingVerifier(UnparsedPublicKey::new(
        &ED25519, public,
    ))))
}

struct RingSigner(Ed25519KeyPair);

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct RingVerifier(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        self.0
            .verify(message, signature)
            .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_is_that_of_the_rfc() {
        // RFC 8037, appendix A.3: the thumbprint of the key of appendix A.2.
        let seed = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .expect("base64url");
        // The head of PKCS #8 before an Ed25519 seed, as openssl writes it.
        let head = hex::decode("302e020100300506032b657004220420").expect("hexadecimal");
        let key = Key::new(&[head, seed].concat()).expect("a key");
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn files_that_are_no_keys_are_told_without_what_they_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        for text in [
            "canary",
            "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n",
        ] {
            std::fs::write(&path, text).expect("written");
            let faults = Keys::load(std::slice::from_ref(&path))
                .err()
                .expect("a fault");
            assert_eq!(faults.len(), 1);
            assert!(
                !faults[0].contains("canary") && !faults[0].contains("Y2Fu"),
                "{faults:?}"
            );
        }
    }
}
