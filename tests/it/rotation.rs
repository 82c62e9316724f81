//! Secrets that are replaced under calls, as Kubernetes replaces a mounted folder.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::gateway_service_client::GatewayServiceClient;
use wecomgw::grpc::pb::message_service_client::MessageServiceClient;
use wecomgw::sandbox;

use super::access::Pki;
use super::harness::{APP, SandboxHandle, World, text_to, verdict};

/// A new content is live this soon after the flip: the bar.
const LIVE: Duration = Duration::from_secs(10);

/// A mounted secret: files are links through `..data`, which points at a version.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(files: &[(&str, &str)]) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        this.flip("..1", files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), this.0.path().join(name)).unwrap();
        }
        this
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn flip(&self, version: &str, files: &[(&str, &str)]) {
        let folder = self.0.path().join(version);
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let link = self.0.path().join("..data_tmp");
        symlink(version, &link).unwrap();
        std::fs::rename(link, self.0.path().join("..data")).unwrap();
    }
}

fn with<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

async fn list(channel: Channel, token: &str) -> Result<(), Status> {
    let mut client = GatewayServiceClient::new(channel);
    let answer = client.list_apps(with(pb::ListAppsRequest {}, token)).await;
    answer.map(drop)
}

/// Waits until `metrics` have a line.
async fn counted(world: &World, line: &str) {
    let wait = async {
        while !world.metrics().await.contains(line) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(LIVE, wait).await;
    assert!(
        waited.is_ok(),
        "{line} is not in\n{}",
        world.metrics().await
    );
}

/// The certificate that a new connection is shown.
async fn shown(address: &str, pki: &Pki) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pki.ca.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "gateway.test".try_into().unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

#[tokio::test]
async fn secrets_are_replaced_under_calls_and_no_call_fails() {
    let pki = Pki::new();
    let leaf = || {
        pki.leaf(
            vec![rcgen::SanType::DnsName("gateway.test".try_into().unwrap())],
            "x",
        )
    };
    let (first, second) = (leaf(), leaf());
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let tls = Mount::new(&[("tls.crt", &first.0), ("tls.key", &first.1)]);
    let tokens = Mount::new(&[("token", "old-token-1\n")]);
    let demo = sandbox::Settings::demo("127.0.0.1:0".parse().unwrap());
    let app = demo.apps.iter().find(|app| app.name == APP).unwrap();
    let secret = app.secret.expose_secret();
    let secrets = Mount::new(&[("secret", secret)]);
    let overlay = format!(
        "[reload]\ninterval = \"50ms\"\n\
         [grpc]\ntls_cert_file = \"{}\"\ntls_key_file = \"{}\"\n\
         [[apps]]\nname = \"{APP}\"\ncorp_id = \"{}\"\nagent_id = {}\nsecret_file = \"{}\"\n\
         [[callers]]\nname = \"billing\"\ntoken_file = \"{}\"\npermissions = [\"*\"]\napps = [\"*\"]\n",
        tls.path("tls.crt"),
        tls.path("tls.key"),
        demo.corp_id,
        app.agent_id,
        secrets.path("secret"),
        tokens.path("token"),
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let host = world.grpc.trim_start_matches("http://").to_owned();
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&pki.ca))
        .domain_name("gateway.test");
    let endpoint = Endpoint::from_shared(format!("https://{host}")).unwrap();
    let endpoint = endpoint.tls_config(config).unwrap();

    // Calls all the while: each tenth on a new connection, with the token that is good now.
    let (new_token, stop) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let calls = Arc::new(AtomicU32::new(0));
    let caller = tokio::spawn({
        let (new_token, stop) = (new_token.clone(), stop.clone());
        let (calls, endpoint) = (calls.clone(), endpoint.clone());
        async move {
            let mut channel = endpoint.connect_lazy();
            while !stop.load(Ordering::SeqCst) {
                let count = calls.fetch_add(1, Ordering::SeqCst);
                if count.is_multiple_of(10) {
                    channel = endpoint.connect_lazy();
                }
                let token = match new_token.load(Ordering::SeqCst) {
                    true => "new-token-2",
                    false => "old-token-1",
                };
                list(channel.clone(), token).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });

    let ok = |name: &str, count: u32| {
        format!("wecomgw_secret_reload_total{{name=\"{name}\",result=\"ok\"}} {count}")
    };
    let failed =
        |name: &str| format!("wecomgw_secret_reload_total{{name=\"{name}\",result=\"failed\"}} ");
    // API tokens: beside each other, then the new one alone.
    tokens.flip("..2", &[("token", "old-token-1\nnew-token-2\n")]);
    counted(&world, &ok("caller/billing", 1)).await;
    new_token.store(true, Ordering::SeqCst);
    let sent = calls.load(Ordering::SeqCst);
    while calls.load(Ordering::SeqCst) < sent + 5 {
        tokio::task::yield_now().await;
    }
    tokens.flip("..3", &[("token", "new-token-2\n")]);
    counted(&world, &ok("caller/billing", 2)).await;
    let refused = list(endpoint.connect_lazy(), "old-token-1")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    // A broken file keeps the old one.
    tokens.flip("..4", &[("token", "\n")]);
    counted(&world, &failed("caller/billing")).await;

    // The TLS pair; then one whose key is another's.
    assert_eq!(shown(&host, &pki).await, der(&first.0));
    tls.flip("..2", &[("tls.crt", &second.0), ("tls.key", &second.1)]);
    counted(&world, &ok("tls", 1)).await;
    assert_eq!(shown(&host, &pki).await, der(&second.0));
    tls.flip("..3", &[("tls.crt", &second.0), ("tls.key", &first.1)]);
    counted(&world, &failed("tls")).await;
    assert_eq!(shown(&host, &pki).await, der(&second.0));

    // An app's secret that WeCom does not take leaves the good one in place.
    secrets.flip("..2", &[("secret", "wrong-secret")]);
    counted(&world, &failed("app/youxiao/secret")).await;
    let mut messages = MessageServiceClient::new(endpoint.connect_lazy());
    let text = || with(text_to("zhangsan", "hello"), "new-token-2");
    messages.send_message(text()).await.unwrap();
    secrets.flip("..3", &[("secret", &format!("{secret}\n"))]);
    counted(&world, &ok("app/youxiao/secret", 1)).await;
    messages.send_message(text()).await.unwrap();

    stop.store(true, Ordering::SeqCst);
    caller.await.expect("no call failed");
    assert!(calls.load(Ordering::SeqCst) > 20);
    world.stop().await;
}

#[tokio::test]
async fn session_keys_are_replaced_and_nobody_is_logged_out() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, third] = [1, 2, 3].map(|seed| {
        let file = super::auth::key_file(folder.path(), seed);
        std::fs::read_to_string(file).unwrap()
    });
    let mount = Mount::new(&[("active.pem", &first), ("other.pem", &second)]);
    let overlay = format!(
        "[reload]\ninterval = \"50ms\"\n[login]\nsigning_key_files = [\"{}\", \"{}\"]\n",
        mount.path("active.pem"),
        mount.path("other.pem")
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let reloaded = async |result: &str, count: u32| {
        let labels = format!("name=\"session_keys\",result=\"{result}\"");
        counted(
            &world,
            &format!("wecomgw_secret_reload_total{{{labels}}} {count}"),
        )
        .await;
    };
    let by_first = super::auth::log_in(&world).await;
    mount.flip("..2", &[("active.pem", &second), ("other.pem", &first)]);
    reloaded("ok", 1).await;
    let by_second = super::auth::log_in(&world).await;
    for token in [&by_first, &by_second] {
        super::auth::verify(&world, token).await.unwrap();
    }
    mount.flip("..3", &[("active.pem", &second), ("other.pem", &third)]);
    reloaded("ok", 2).await;
    let status = super::auth::verify(&world, &by_first).await.unwrap_err();
    assert_eq!(verdict(&status).1, "SESSION_INVALID");
    // A broken file keeps the keys.
    mount.flip("..4", &[("active.pem", "broken"), ("other.pem", &third)]);
    reloaded("failed", 1).await;
    super::auth::verify(&world, &by_second).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn the_end_of_the_certificate_is_told_and_changes_with_it() {
    let pki = Pki::new();
    let name = || vec![rcgen::SanType::DnsName("gateway.test".try_into().unwrap())];
    let (first, second) = (pki.leaf(name(), "x"), pki.leaf_until(name(), 2040));
    let tls = Mount::new(&[("tls.crt", &first.0), ("tls.key", &first.1)]);
    let overlay = format!(
        "[reload]\ninterval = \"50ms\"\n[grpc]\ntls_cert_file = \"{}\"\ntls_key_file = \"{}\"\n",
        tls.path("tls.crt"),
        tls.path("tls.key")
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    // 4096-01-01, which is what rcgen takes for never.
    counted(&world, "\nwecomgw_tls_not_after_seconds 67090118400\n").await;
    tls.flip("..2", &[("tls.crt", &second.0), ("tls.key", &second.1)]);
    // 2040-01-01
    counted(&world, "\nwecomgw_tls_not_after_seconds 2208988800\n").await;
    world.stop().await;
}
