//! Boots gateway and sandbox on free ports with a store of their own, and hands
//! out clients. Everything that comes out of the gateway during the whole suite
//! is searched for secrets: log lines at trace level, statuses, metrics, files.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::{Mutex, Once};
use std::task::{Context, Poll};

use prost_reflect::{DescriptorPool, DynamicMessage};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::Service;
use tracing_subscriber::layer::SubscriberExt as _;
use wecomgw::config::Sources;
use wecomgw::gateway::{Config, DEFAULTS, Gateway};
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::app_chat_service_client::AppChatServiceClient;
use wecomgw::grpc::pb::auth_service_client::AuthServiceClient;
use wecomgw::grpc::pb::bulk_service_client::BulkServiceClient;
use wecomgw::grpc::pb::gateway_service_client::GatewayServiceClient;
use wecomgw::grpc::pb::media_service_client::MediaServiceClient;
use wecomgw::grpc::pb::message_service_client::MessageServiceClient;
use wecomgw::grpc::pb::user_service_client::UserServiceClient;
use wecomgw::sandbox::{self, Sandbox};
use wecomgw::telemetry;

/// What must appear nowhere: the demo's secrets, the beginning of every token, code and
/// ticket that the sandbox gives, that of every session token (`{"typ":"wecomgw-session`
/// in Base64) and of every private key in PEM, the API token of the tests, and the query
/// keys that stand before them.
const SECRETS: [&str; 10] = [
    "sandbox-secret-",
    "sandbox-token-",
    "sandbox-code-",
    "sandbox-user-ticket-",
    "sandbox-js-ticket-",
    "eyJ0eXAiOiJ3ZWNvbWd3LXNlc3Npb24",
    "MC4CAQAwBQYDK2VwBCIEI",
    API_TOKEN,
    "access_token=",
    "corpsecret=",
];
/// The API token of the tests.
pub(crate) const API_TOKEN: &str = "wgw-canary-bearer-7c1f0b6e";
/// The demo's first app.
pub(crate) const APP: &str = "youxiao";

/// Every audit record of the suite.
static AUDIT: Mutex<Vec<Value>> = Mutex::new(Vec::new());
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Gateway and sandbox.
pub(crate) struct World {
    pub(crate) sandbox: SandboxHandle,
    pub(crate) grpc: String,
    pub(crate) health: String,
    pub(crate) admin: String,
    folder: TempDir,
    shutdown: CancellationToken,
    gateway: Option<JoinHandle<anyhow::Result<()>>>,
}

/// The sandbox and its control API.
pub(crate) struct SandboxHandle {
    pub(crate) url: String,
    http: reqwest::Client,
    shutdown: CancellationToken,
}

impl Drop for SandboxHandle {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl SandboxHandle {
    pub(crate) async fn start() -> Self {
        Self::start_with(sandbox::Settings::demo("127.0.0.1:0".parse().unwrap())).await
    }

    pub(crate) async fn start_with(settings: sandbox::Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::bind(settings).await.unwrap();
        let shutdown = CancellationToken::new();
        let url = sandbox.base_url();
        tokio::spawn(sandbox.run(shutdown.clone()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            url,
            http,
            shutdown,
        }
    }

    /// For a second gateway, with a life of its own.
    pub(crate) fn again(&self) -> Self {
        Self {
            url: self.url.clone(),
            http: self.http.clone(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Closes its port, as a WeCom that is gone.
    pub(crate) async fn shut(&self) {
        self.shutdown.cancel();
        while self.http.get(&self.url).send().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap()
        }
    }

    fn body(&self, request: reqwest::RequestBuilder, body: &Value) -> reqwest::RequestBuilder {
        request
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.json(self.http.get(format!("{}/sandbox/{path}", self.url)))
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}/sandbox/{path}", self.url));
        self.json(self.body(request, &body)).await
    }

    pub(crate) async fn set(&self, settings: Value) -> Value {
        let request = self.http.put(format!("{}/sandbox/settings", self.url));
        self.json(self.body(request, &settings)).await
    }

    /// Forgets every upload, as if its three days had passed.
    pub(crate) async fn forget_media(&self) {
        let request = self.http.delete(format!("{}/sandbox/media", self.url));
        self.json(request).await;
    }

    /// Makes the next `count` calls of `path` fail in the way of `fault`.
    pub(crate) async fn fault(&self, path: &str, fault: Value, count: u32) {
        self.post(
            "faults",
            json!({"path": path, "fault": fault, "count": count}),
        )
        .await;
    }

    /// The calls of `path` that arrived.
    pub(crate) async fn calls(&self, path: &str) -> Vec<Value> {
        let answer = self.get(&format!("calls?path={path}")).await;
        list(answer, "calls")
    }

    /// The messages that were taken.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        let answer = self.get("messages").await;
        list(answer, "messages")
    }
}

fn list(answer: Value, key: &str) -> Vec<Value> {
    match answer {
        Value::Array(items) => items,
        Value::Object(mut fields) => match fields.remove(key) {
            Some(Value::Array(items)) => items,
            other => panic!("no list {key}: {other:?}"),
        },
        other => panic!("no list {key}: {other:?}"),
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(SandboxHandle::start().await, "").await
    }

    /// With `overlay` (TOML) over the settings of the tests.
    pub(crate) async fn start_with(sandbox: SandboxHandle, overlay: &str) -> Self {
        Self::start_in(sandbox, overlay, tempfile::tempdir().unwrap()).await
    }

    /// With `apps` (TOML) beside the demo's.
    pub(crate) async fn start_beside(sandbox: SandboxHandle, apps: &str, overlay: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = base_settings(&sandbox.url, folder.path()) + apps;
        Self::start_of(sandbox, &settings, overlay, folder).await
    }

    /// In the folder of an earlier world, as a process that starts again.
    pub(crate) async fn start_in(sandbox: SandboxHandle, overlay: &str, folder: TempDir) -> Self {
        let settings = base_settings(&sandbox.url, folder.path());
        Self::start_of(sandbox, &settings, overlay, folder).await
    }

    async fn start_of(
        sandbox: SandboxHandle,
        settings: &str,
        overlay: &str,
        folder: TempDir,
    ) -> Self {
        watch_the_logs();
        let file = folder.path().join("overlay.toml");
        std::fs::write(&file, overlay).unwrap();
        let config: Config = Sources::read_with(DEFAULTS, settings, Some(&file), [])
            .and_then(|sources| sources.extract())
            .unwrap();
        // It may hold the demo's secrets, by design; nothing else in the folder may.
        std::fs::remove_file(&file).unwrap();
        let gateway = Gateway::build(config, false).await.unwrap();
        let (grpc, health, admin) = (
            gateway.grpc_address(),
            gateway.health_address(),
            gateway.admin_address(),
        );
        let shutdown = CancellationToken::new();
        let gateway = tokio::spawn(gateway.run(shutdown.clone()));
        Self {
            sandbox,
            grpc: format!("http://{grpc}"),
            health: format!("http://{health}"),
            admin: format!("http://{admin}"),
            folder,
            shutdown,
            gateway: Some(gateway),
        }
    }

    pub(crate) fn channel(&self) -> Watched {
        Watched(
            Endpoint::from_shared(self.grpc.clone())
                .unwrap()
                .connect_lazy(),
        )
    }

    /// A channel whose calls come from another address of this machine.
    pub(crate) fn channel_from(&self, address: std::net::IpAddr) -> Watched {
        let endpoint = Endpoint::from_shared(self.grpc.clone()).unwrap();
        Watched(endpoint.local_address(Some(address)).connect_lazy())
    }

    pub(crate) fn messages(&self) -> MessageServiceClient<Watched> {
        MessageServiceClient::new(self.channel()).max_decoding_message_size(16 << 20)
    }

    pub(crate) fn app_chats(&self) -> AppChatServiceClient<Watched> {
        AppChatServiceClient::new(self.channel())
    }

    pub(crate) fn media(&self) -> MediaServiceClient<Watched> {
        MediaServiceClient::new(self.channel())
    }

    pub(crate) fn users(&self) -> UserServiceClient<Watched> {
        UserServiceClient::new(self.channel())
    }

    pub(crate) fn auth(&self) -> AuthServiceClient<Watched> {
        AuthServiceClient::new(self.channel())
    }

    pub(crate) fn bulk(&self) -> BulkServiceClient<Watched> {
        BulkServiceClient::new(self.channel())
    }

    pub(crate) fn gateway(&self) -> GatewayServiceClient<Watched> {
        GatewayServiceClient::new(self.channel())
    }

    /// The gateway's database.
    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("wecomgw.db")
    }

    /// The name of the demo's second app.
    pub(crate) fn other_app(&self) -> String {
        let demo = sandbox::Settings::demo("127.0.0.1:0".parse().unwrap());
        demo.apps[1].name.clone()
    }

    pub(crate) async fn metrics(&self) -> String {
        self.sandbox
            .http
            .get(format!("{}/metrics", self.admin))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Shuts down as SIGTERM would, and searches what is left for secrets. Gives
    /// back what a next process would find.
    pub(crate) async fn stop(mut self) -> (SandboxHandle, TempDir) {
        look("metrics", self.metrics().await.as_bytes());
        self.shutdown.cancel();
        self.gateway.take().unwrap().await.unwrap().unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            look(
                &format!("file {}", path.display()),
                &std::fs::read(&path).unwrap(),
            );
        }
        let leaks = LEAKS.lock().unwrap().clone();
        assert!(leaks.is_empty(), "secrets leaked:\n{}", leaks.join("\n"));
        (self.sandbox, self.folder)
    }
}

/// The shipped binary as a process of its own, to be killed.
pub(crate) struct Process {
    child: Child,
    pub(crate) grpc: String,
    folder: TempDir,
}

/// Ends with its test, also with one that fails.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    pub(crate) async fn start(sandbox: &SandboxHandle) -> Self {
        Self::start_by(&[], &sandbox.url).await
    }

    /// Started by a command that becomes it, such as `env A=B`, and with WeCom at `url`.
    pub(crate) async fn start_by(by: &[&str], url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let settings =
            base_settings(url, folder.path()).replacen("127.0.0.1:0", &port.to_string(), 1);
        let path = folder.path().join("wecomgw.toml");
        std::fs::write(&path, settings).unwrap();
        let command = [by, &[env!("CARGO_BIN_EXE_wecomgw"), "serve", "--config"]].concat();
        let child = std::process::Command::new(command[0])
            .args(&command[1..])
            .arg(&path)
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(port).is_err() {
            tokio::task::yield_now().await;
        }
        Self {
            child: Child(child),
            grpc: format!("http://{port}"),
            folder,
        }
    }

    fn channel(&self) -> Watched {
        Watched(
            Endpoint::from_shared(self.grpc.clone())
                .unwrap()
                .connect_lazy(),
        )
    }

    pub(crate) fn messages(&self) -> MessageServiceClient<Watched> {
        MessageServiceClient::new(self.channel())
    }

    pub(crate) fn media(&self) -> MediaServiceClient<Watched> {
        MediaServiceClient::new(self.channel())
    }

    pub(crate) fn auth(&self) -> AuthServiceClient<Watched> {
        AuthServiceClient::new(self.channel())
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// SIGKILL: nothing more is written. Gives back what a next process finds.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
        // The configuration holds the demo's secrets by design.
        std::fs::remove_file(self.folder.path().join("wecomgw.toml")).unwrap();
        self.folder
    }
}

fn base_settings(url: &str, folder: &Path) -> String {
    let demo = sandbox::Settings::demo("127.0.0.1:0".parse().unwrap());
    let mut settings = format!(
        "[grpc]\nlisten = \"127.0.0.1:0\"\ndrain_accept = \"0s\"\ndrain_grace = \"2s\"\n\
         [health]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [store]\nurl = \"sqlite:{}\"\n[wecom]\nbase_url = \"{url}\"\n\
         oauth_page_base_url = \"{url}\"\nqr_page_base_url = \"{url}\"\n\
         [login]\nredirect_uris = [\"https://oa.example.com/login/callback\", \"http://127.0.0.1:8000/callback\", \"https://hr.example.com:8443/login\"]\n",
        folder.join("wecomgw.db").display()
    );
    for app in &demo.apps {
        let _ = write!(
            settings,
            "[[apps]]\nname = \"{}\"\ncorp_id = \"{}\"\nagent_id = {}\nsecret = \"{}\"\n",
            app.name,
            demo.corp_id,
            app.agent_id,
            app.secret.expose_secret()
        );
        // The first app has the contacts secret too.
        if app.name == APP
            && let Some(secret) = &demo.contacts_secret
        {
            let secret = secret.expose_secret();
            let _ = writeln!(settings, "contacts_secret = \"{secret}\"");
        }
    }
    settings
}

/// A request of the contract from its JSON form, as `grpcurl` would make it.
pub(crate) fn from_json<T: prost::Message + Default>(message: &str, json: &str) -> T {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let descriptor = pool
        .get_message_by_name(&format!("wecomgw.v1.{message}"))
        .unwrap();
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(descriptor, &mut deserializer)
        .unwrap_or_else(|error| panic!("{error} in {json}"));
    message.transcode_to().unwrap()
}

/// The request of an example.
pub(crate) fn example<T: prost::Message + Default>(message: &str, name: &str) -> T {
    from_json(
        message,
        &std::fs::read_to_string(format!("examples/{name}.json")).unwrap(),
    )
}

/// The messages of an example that is a stream.
pub(crate) fn examples<T: prost::Message + Default>(message: &str, name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(format!("examples/{name}.json")).unwrap();
    serde_json::Deserializer::from_str(&text)
        .into_iter::<Value>()
        .map(|value| from_json(message, &value.unwrap().to_string()))
        .collect()
}

/// A SendMessageRequest from its JSON form.
pub(crate) fn send_request(json: Value) -> pb::SendMessageRequest {
    from_json("SendMessageRequest", &json.to_string())
}

/// A text to `user`.
pub(crate) fn text_to(user: &str, content: &str) -> pb::SendMessageRequest {
    send_request(json!({
        "app": APP,
        "recipients": {"user_ids": [user]},
        "content": {"text": {"content": content}},
    }))
}

/// Reason, metadata and the rest of an error of the gateway.
pub(crate) fn details(
    status: &Status,
) -> (
    String,
    std::collections::HashMap<String, String>,
    ErrorDetails,
) {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "wecomgw");
    (info.reason.clone(), info.metadata.clone(), details.clone())
}

/// Code and reason of an error of the gateway.
pub(crate) fn verdict(status: &Status) -> (Code, String) {
    (status.code(), details(status).0)
}

/// A channel that searches every status for secrets.
#[derive(Clone)]
pub(crate) struct Watched(Channel);

impl Service<http::Request<Body>> for Watched {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move {
            let response = response.await?;
            look("a status", format!("{:?}", response.headers()).as_bytes());
            if let Some(details) = response.headers().get("grpc-status-details-bin") {
                let details = tonic::metadata::MetadataValue::<tonic::metadata::Binary>::try_from(
                    details.as_bytes(),
                );
                if let Ok(bytes) = details.unwrap().to_bytes() {
                    look("status details", &bytes);
                }
            }
            Ok(response)
        })
    }
}

fn watch_the_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let settings: telemetry::Settings = serde_json::from_value(
            json!({"level": "trace", "format": "json", "otlp_sample_ratio": 0.0}),
        )
        .unwrap();
        let layer = telemetry::layer(&settings, || LogWatch).unwrap();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
            .unwrap();
    });
}

struct LogWatch;

impl io::Write for LogWatch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        look("a log line", line);
        if line
            .windows(16)
            .any(|window| window == br#""target":"audit""#)
        {
            let record = serde_json::from_slice(line).unwrap();
            AUDIT.lock().unwrap().push(record);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every audit record so far.
pub(crate) fn audit_log() -> Vec<Value> {
    AUDIT.lock().unwrap().clone()
}

/// Takes note of every secret in `bytes`, as it is or in Base64.
pub(crate) fn look(place: &str, bytes: &[u8]) {
    for needle in needles() {
        if bytes.windows(needle.len()).any(|window| window == needle) {
            let mut text = String::from_utf8_lossy(bytes).into_owned();
            text.truncate(2000);
            let needle = String::from_utf8_lossy(needle);
            LEAKS
                .lock()
                .unwrap()
                .push(format!("{needle} in {place}: {text}"));
        }
    }
}

fn needles() -> &'static [Vec<u8>] {
    static NEEDLES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    NEEDLES.get_or_init(|| {
        let mut needles: Vec<Vec<u8>> = SECRETS
            .iter()
            .map(|secret| secret.as_bytes().to_vec())
            .collect();
        // The query keys are words that error texts may use.
        for secret in SECRETS.iter().filter(|secret| !secret.ends_with('=')) {
            needles.extend((0..3).map(|offset| base64_core(secret.as_bytes(), offset)));
        }
        needles
    })
}

/// The characters that Base64 makes of `secret` when `offset` bytes stand before
/// it, without those that depend on its neighbours.
fn base64_core(secret: &[u8], offset: usize) -> Vec<u8> {
    use base64::Engine as _;
    let whole = &secret[(3 - offset) % 3..];
    let whole = &whole[..whole.len() / 3 * 3];
    base64::engine::general_purpose::STANDARD
        .encode(whole)
        .into_bytes()
}

#[test]
fn the_search_for_secrets_finds_them() {
    assert_eq!(base64_core(b"sandbox-secret-", 0), b"c2FuZGJveC1zZWNyZXQt");
    let found = |bytes: &[u8]| {
        needles()
            .iter()
            .any(|needle| bytes.windows(needle.len()).any(|window| window == needle))
    };
    assert!(found(b"GET /cgi-bin/gettoken?corpsecret=x"));
    assert!(found(b"Basic eHNhbmRib3gtc2VjcmV0LXg="));
    assert!(!found(b"nothing to see"));
}
