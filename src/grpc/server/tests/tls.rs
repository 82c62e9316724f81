use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::{
    raw::{closed, connect},
    *,
};

/// A CA, a server certificate for `gateway.test` and a client certificate, on disk.
struct Pki {
    folder: TempDir,
    ca: String,
    client: (String, String),
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).expect("signed").pem();
        let issuer = Issuer::new(params, key);
        let (certificate, key) = leaf("gateway.test", &issuer);
        write(folder.path(), "ca.pem", &ca);
        write(folder.path(), "server.pem", &certificate);
        write(folder.path(), "server.key", &key);
        Self {
            folder,
            ca,
            client: leaf("billing.test", &issuer),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }

    fn settings(&self) -> Settings {
        let (tls_cert_file, tls_key_file) = (self.path("server.pem"), self.path("server.key"));
        Settings {
            tls_cert_file,
            tls_key_file,
            ..settings()
        }
    }

    async fn check(&self, running: &Running, identity: bool) -> Result<ServingStatus, String> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.ca))
            .domain_name("gateway.test");
        if identity {
            tls = tls.identity(Identity::from_pem(&self.client.0, &self.client.1));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", running.address));
        let endpoint = endpoint
            .expect("a URI")
            .tls_config(tls)
            .expect("a TLS client");
        let call = async {
            let channel = endpoint
                .connect()
                .await
                .map_err(|error| format!("{error:?}"))?;
            let answer = HealthClient::new(channel).check(named("peer")).await;
            answer
                .map(|answer| answer.into_inner().status())
                .map_err(|error| error.to_string())
        };
        within_bound("the TLS call", call).await
    }
}

fn leaf(name: &str, issuer: &Issuer<'_, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("parameters");
    (
        params.signed_by(&key, issuer).expect("signed").pem(),
        key.serialize_pem(),
    )
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

#[tokio::test]
async fn tls_serves_a_client_that_trusts_the_ca() {
    let pki = Pki::new();
    let running = start(pki.settings());
    assert_eq!(
        pki.check(&running, false).await,
        Ok(ServingStatus::NotServing)
    );
}

#[tokio::test]
async fn with_a_client_ca_only_its_certificates_get_in_and_handlers_see_them() {
    let pki = Pki::new();
    let running = start(Settings {
        client_ca_file: pki.path("ca.pem"),
        ..pki.settings()
    });
    assert_eq!(pki.check(&running, true).await, Ok(ServingStatus::Serving));
    assert!(pki.check(&running, false).await.is_err());
    let other = Pki::new();
    let stranger = Pki {
        client: other.client,
        ..pki
    };
    assert!(stranger.check(&running, true).await.is_err());
}

#[tokio::test]
async fn half_a_client_hello_is_closed_at_the_deadline() {
    let pki = Pki::new();
    let running = start(Settings {
        tls_handshake_timeout: millis(50),
        ..pki.settings()
    });
    let mut half = connect(running.address).await;
    // A handshake record of 512 bytes, of which nothing follows.
    half.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("written");
    closed(&mut half).await;
    running.connections(0).await;
    assert_eq!(running.metrics.refused.tls.get(), 1);
}

#[tokio::test]
async fn incomplete_or_wrong_files_are_named() {
    let pki = Pki::new();
    let lone = Settings {
        tls_cert_file: pki.path("server.pem"),
        ..settings()
    };
    let error = Server::bind(lone, Metrics::default()).expect_err("no key");
    assert_eq!(
        error.to_string(),
        "tls_key_file must be set when tls_cert_file is"
    );

    let swapped = Settings {
        tls_cert_file: pki.path("server.key"),
        ..pki.settings()
    };
    let error = Server::bind(swapped, Metrics::default()).expect_err("no certificate");
    assert!(error.to_string().starts_with("tls_cert_file "), "{error}");
    assert!(
        error.to_string().ends_with("no certificate inside"),
        "{error}"
    );
}
