//! TLS for the listener: 1.2 and 1.3, HTTP/2 only, client certificates when a CA is given.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{error::Error, metrics::Metrics, settings::Settings};

/// The only protocol offered in the handshake; a client that can only speak HTTP/1 fails there.
const ALPN: &[u8] = b"h2";

/// The certificates of the listener. They can be read again while it runs: connections
/// that are open keep theirs, and none lives longer than its age allows.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_certificate_required: bool,
    config: RwLock<Arc<ServerConfig>>,
    metrics: Metrics,
}

impl Tls {
    /// The files that it was read from.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let Inner {
            certificate,
            key,
            client_ca,
            ..
        } = &*self.0;
        let pair = [certificate.clone(), key.clone()].into_iter();
        pair.chain(client_ca.clone()).collect()
    }

    /// Reads the files again.
    ///
    /// # Errors
    ///
    /// They do not make a TLS server; the old ones serve on.
    pub fn reload(&self) -> Result<(), Error> {
        let Inner {
            certificate,
            key,
            client_ca,
            client_certificate_required,
            config,
            metrics,
        } = &*self.0;
        let (read, not_after) = load(
            certificate,
            key,
            client_ca.as_deref(),
            *client_certificate_required,
        )?;
        *config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        metrics.tls_ends_at(not_after);
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let config = self.0.config.read();
        config.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) fn config(settings: &Settings, metrics: Metrics) -> Result<Option<Tls>, Error> {
    let certificate = settings.tls_cert_file.as_deref();
    let key = settings.tls_key_file.as_deref();
    let client_ca = settings.client_ca_file.as_deref();
    let (certificate, key) = match (certificate, key, client_ca) {
        (Some(certificate), Some(key), _) => (certificate, key),
        (None, None, None) => return Ok(None),
        (Some(_), None, _) => return Err(incomplete("tls_cert_file", "tls_key_file")),
        (None, Some(_), _) => return Err(incomplete("tls_key_file", "tls_cert_file")),
        (None, None, Some(_)) => return Err(incomplete("client_ca_file", "tls_cert_file")),
    };
    let required = settings.require_client_certificate;
    let (config, not_after) = load(certificate, key, client_ca, required)?;
    metrics.tls_ends_at(not_after);
    Ok(Some(Tls(Arc::new(Inner {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        client_ca: client_ca.map(Path::to_owned),
        client_certificate_required: required,
        config: RwLock::new(Arc::new(config)),
        metrics,
    }))))
}

fn incomplete(given: &'static str, missing: &'static str) -> Error {
    Error::Incomplete { given, missing }
}

/// What serves TLS, and when its certificate ends, in Unix time.
fn load(
    certificate: &Path,
    key: &Path,
    client_ca: Option<&Path>,
    required: bool,
) -> Result<(ServerConfig, i64), Error> {
    // Named, not the process default: with two providers linked, rustls would panic on a guess.
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match client_ca {
        Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider, required)?),
        None => builder.with_no_client_auth(),
    };
    let chain = certificates("tls_cert_file", certificate)?;
    let (_, leaf) = X509Certificate::from_der(&chain[0])
        .map_err(|error| pem("tls_cert_file", certificate, error))?;
    let not_after = leaf.validity().not_after.timestamp();
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| pem("tls_key_file", key, error))?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok((config, not_after))
}

fn client_verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
    required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca_file", path)? {
        roots.add(certificate)?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    Ok(match required {
        true => builder.build()?,
        false => builder.allow_unauthenticated().build()?,
    })
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(setting, path, error))?;
    if certificates.is_empty() {
        return Err(pem(setting, path, "no certificate inside"));
    }
    Ok(certificates)
}

fn pem(setting: &'static str, path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Pem {
        setting,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
