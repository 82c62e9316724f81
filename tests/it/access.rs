//! Who may call what.

use serde_json::json;
use tonic::{Code, Request};
use wecomgw::gateway::{Config, DEFAULTS, Gateway};
use wecomgw::grpc::pb;

use super::harness::{API_TOKEN, Process, SandboxHandle, World, text_to, verdict};

fn callers() -> String {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    format!(
        "[[callers]]\nname = \"billing\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"MessageService/SendMessage\"]\napps = [\"youxiao\"]\n"
    )
}

fn with<T>(message: T, authorization: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(value) = authorization {
        request
            .metadata_mut()
            .insert("authorization", value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn callers_are_let_in_by_token_permission_and_app() {
    let world = World::start_with(SandboxHandle::start().await, &callers()).await;
    let right = format!("Bearer {API_TOKEN}");
    let text = || text_to("zhangsan", "hello");
    for authorization in [
        None,
        Some("Bearer wrong"),
        Some("Basic abc"),
        Some("Bearer"),
    ] {
        let status = world
            .messages()
            .send_message(with(text(), authorization))
            .await
            .unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::Unauthenticated, "CALLER_UNKNOWN".into())
        );
    }
    let status = world
        .gateway()
        .list_apps(with(pb::ListAppsRequest {}, Some(&right)))
        .await
        .unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::PermissionDenied, "CALLER_NOT_PERMITTED".into())
    );
    let other = pb::SendMessageRequest {
        app: "another".into(),
        ..text()
    };
    let status = world
        .messages()
        .send_message(with(other, Some(&right)))
        .await
        .unwrap_err();
    assert_eq!(verdict(&status), (Code::NotFound, "APP_NOT_FOUND".into()));
    assert!(world.sandbox.calls("message/send").await.is_empty());
    // The caller has one app, so it need not be named.
    let unnamed = pb::SendMessageRequest {
        app: String::new(),
        ..text()
    };
    world
        .messages()
        .send_message(with(unnamed, Some(&right)))
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn an_open_gateway_is_for_this_machine_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = "[grpc]\nlisten = \"0.0.0.0:0\"\n[store]\nurl = \"sqlite::memory:\"\n[[apps]]\nname = \"a\"\ncorp_id = \"ww1\"\nagent_id = 1\nsecret = \"s\"\n";
    let config: Config = wecomgw::config::Sources::read_with(DEFAULTS, settings, None, [])
        .and_then(|sources| sources.extract())
        .unwrap();
    let faults = config.faults(false);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("[[callers]]"));
    assert!(config.faults(true).is_empty());
    let error = Gateway::build(config, false)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("[[callers]]"), "{error}");
}

#[tokio::test]
async fn without_an_app_the_gateway_names_dev() {
    let config: Config = wecomgw::config::Sources::read(DEFAULTS, None, [])
        .and_then(|sources| sources.extract())
        .unwrap();
    assert!(config.faults(false)[0].contains("wecomgw dev"));
}

#[tokio::test]
async fn an_app_that_is_not_there_is_named_with_those_that_are() {
    let world = World::start().await;
    let request = pb::SendMessageRequest {
        app: "nobody".into(),
        ..text_to("zhangsan", "hello")
    };
    let status = world.messages().send_message(request).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::NotFound, "APP_NOT_FOUND".into()));
    assert!(status.message().contains("youxiao"), "{}", status.message());
    let unnamed = pb::SendMessageRequest {
        app: String::new(),
        ..text_to("zhangsan", "hello")
    };
    let status = world.messages().send_message(unnamed).await.unwrap_err();
    assert!(status.message().contains("several"), "{}", status.message());
    assert_eq!(
        world.sandbox.get("messages").await,
        json!(world.sandbox.messages().await)
    );
    world.stop().await;
}

#[tokio::test]
async fn a_caller_cannot_be_given_what_does_not_exist() {
    let overlay = "[[apps]]\nname = \"a\"\ncorp_id = \"ww1\"\nagent_id = 1\nsecret = \"s\"\n";
    let caller = |permissions: &str, apps: &str| {
        let digest = "0".repeat(64);
        format!(
            "{overlay}[[callers]]\nname = \"x\"\ntoken_sha256 = \"{digest}\"\npermissions = [{permissions}]\napps = [{apps}]\n"
        )
    };
    for (permissions, apps, faults) in [
        (r#""*""#, r#""*""#, 0),
        (
            r#""MessageService/*", "GatewayService/ListApps", "BulkService/SendBulk""#,
            r#""a""#,
            0,
        ),
        (r#""MessageServce/*""#, r#""a""#, 1),
        (r#""MessageService/Send", "SendMessage""#, r#""b""#, 3),
    ] {
        let sources =
            wecomgw::config::Sources::read_with(DEFAULTS, &caller(permissions, apps), None, []);
        let config: Config = sources.and_then(|sources| sources.extract()).unwrap();
        let found = config.faults(false);
        assert_eq!(found.len(), faults, "{permissions} {apps}: {found:?}");
    }
}

/// Runs a command of this user, without the rights by which root looks into every process.
fn without_rights() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
        false => &["env"],
    }
}

fn run_without_rights(command: &[&str]) -> std::process::Command {
    let by = without_rights();
    let mut run = std::process::Command::new(by[0]);
    run.args(&by[1..]).args(command);
    run
}

/// What such a command finds in a file of a process.
fn peek(process: u32, file: &str) -> std::process::Output {
    let path = format!("/proc/{process}/{file}");
    run_without_rights(&["cat", &path]).output().unwrap()
}

#[tokio::test]
async fn the_memory_of_the_process_is_for_nobody_and_leaves_no_core() {
    let sandbox = SandboxHandle::start().await;
    let process = Process::start_by(without_rights(), &sandbox.url).await;
    let limits = String::from_utf8(peek(process.id(), "limits").stdout).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    assert!(!peek(process.id(), "environ").status.success());
    process.kill();
    // Into a process that does not forbid it, the same reader sees; soon, once it is itself.
    let mut open = run_without_rights(&["sleep", "60"]).spawn().unwrap();
    let seen = (0..100).any(|_| peek(open.id(), "environ").status.success());
    open.kill().unwrap();
    open.wait().unwrap();
    assert!(seen);
}

/// A CA, and what it signs.
pub(super) struct Pki {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(super) ca: String,
}

impl Pki {
    pub(super) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = rcgen::Issuer::new(params, key);
        Self { issuer, ca }
    }

    /// Certificate and key of a leaf with these names.
    pub(super) fn leaf(&self, names: Vec<rcgen::SanType>, common_name: &str) -> (String, String) {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.subject_alt_names = names;
        let subject = &mut params.distinguished_name;
        subject.push(rcgen::DnType::CommonName, common_name);
        self.sign(params)
    }

    /// The same, good until that year begins.
    pub(super) fn leaf_until(&self, names: Vec<rcgen::SanType>, year: i32) -> (String, String) {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.subject_alt_names = names;
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: rcgen::CertificateParams) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        (certificate, key.serialize_pem())
    }
}

#[tokio::test]
async fn a_certificate_lets_in_by_its_uri_then_its_dns_name_and_never_by_its_common_name() {
    use rcgen::SanType::{DnsName, URI};
    use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let dns = |name: &str| DnsName(name.try_into().unwrap());
    let uri = |name: &str| URI(name.try_into().unwrap());
    let (certificate, key) = pki.leaf(vec![dns("gateway.test")], "gateway");
    for (name, text) in [
        ("tls.crt", &certificate),
        ("tls.key", &key),
        ("ca.crt", &pki.ca),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let caller = |name: &str, certificate: &str| {
        format!(
            "[[callers]]\nname = \"{name}\"\n{certificate}\npermissions = [\"GatewayService/ListApps\"]\napps = []\n"
        )
    };
    let overlay = format!(
        "[grpc]\ntls_cert_file = \"{}\"\ntls_key_file = \"{}\"\nclient_ca_file = \"{}\"\nrequire_client_certificate = false\n{}{}{}",
        path("tls.crt"),
        path("tls.key"),
        path("ca.crt"),
        caller("payroll", "certificate = \"spiffe://example.org/billing\""),
        caller("hr", "certificate = \"hr.example.org\""),
        callers(),
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let list = async |identity: Option<(String, String)>, authorization: Option<&str>| {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&pki.ca))
            .domain_name("gateway.test");
        if let Some((certificate, key)) = identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let address = world.grpc.replace("http://", "https://");
        let endpoint = Endpoint::from_shared(address)
            .unwrap()
            .tls_config(tls)
            .unwrap();
        let mut client =
            pb::gateway_service_client::GatewayServiceClient::new(endpoint.connect_lazy());
        let answer = client
            .list_apps(with(pb::ListAppsRequest {}, authorization))
            .await;
        answer.map(drop).map_err(|status| status.code())
    };
    let leaf = |names| Some(pki.leaf(names, "hr.example.org"));
    let unknown = Err(Code::Unauthenticated);
    for (identity, expected) in [
        (leaf(vec![uri("spiffe://example.org/billing")]), Ok(())),
        (leaf(vec![dns("hr.example.org")]), Ok(())),
        (
            leaf(vec![
                dns("other.example.org"),
                uri("spiffe://example.org/billing"),
            ]),
            Ok(()),
        ),
        (leaf(vec![uri("spiffe://example.org/billing/x")]), unknown),
        (leaf(vec![dns("x.hr.example.org")]), unknown),
        // The common name says hr.example.org.
        (leaf(vec![dns("nobody.example.org")]), unknown),
        (None, unknown),
    ] {
        assert_eq!(list(identity, None).await, expected);
    }
    // A wrong token is not outweighed by a good certificate.
    let good = leaf(vec![dns("hr.example.org")]);
    assert_eq!(list(good.clone(), Some("Bearer wrong")).await, unknown);
    // A stranger's certificate does not get as far as a call.
    let stranger = Pki::new().leaf(vec![dns("hr.example.org")], "hr");
    let refused = list(Some(stranger), None).await;
    assert!(
        matches!(refused, Err(Code::Unknown | Code::Unavailable)),
        "{refused:?}"
    );
    world.stop().await;
}
