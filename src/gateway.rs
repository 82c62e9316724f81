//! The composition root: settings in, a running gateway out. Here, and only
//! here, the rooms meet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tower::Layer as _;

use self::chores::{sweep, watch_store};
use self::routes::{all_methods, descriptors, methods, routes, service_name};
use self::secrets::{app_secrets, caller_secrets, secret};
use self::sharing::SharedTokens;
use crate::access::{self, Access, ServiceAccounts};
use crate::admin::{self, Admin};
use crate::grpc::pb::app_chat_service_server::AppChatServiceServer;
use crate::grpc::pb::auth_service_server::AuthServiceServer;
use crate::grpc::pb::bulk_service_server::BulkServiceServer;
use crate::grpc::pb::gateway_service_server::GatewayServiceServer;
use crate::grpc::pb::media_service_server::MediaServiceServer;
use crate::grpc::pb::message_service_server::MessageServiceServer;
use crate::grpc::pb::user_service_server::UserServiceServer;
use crate::grpc::{
    AppChatService, AuthService, BulkService, Callers, GatewayService, MediaService,
    MessageService, RequestIds, UserService, gate, health, observe, server,
};
use crate::session::{self, Logins, Sessions};
use crate::store::{self, Store};
use crate::{bulk, reload, telemetry, wecom};

mod chores;
mod routes;
mod secrets;
mod sharing;

/// Every setting with its default and its explanation.
pub const DEFAULTS: &str = include_str!("config.default.toml");
/// Keys whose values `check` does not print.
pub const SECRET_KEYS: [&str; 3] = ["secret", "contacts_secret", "proxy"];

/// How long sends and logins under way may take after the last connection has ended.
const TASK_GRACE: Duration = Duration::from_secs(8);

/// All settings: one field for each room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gRPC door.
    pub grpc: server::Settings,
    /// The health port.
    pub health: health::Settings,
    /// The admin port.
    pub admin: admin::Settings,
    /// What survives a restart.
    pub store: store::Settings,
    /// How people log in.
    pub login: session::Settings,
    /// How WeCom is reached.
    pub wecom: wecom::Settings,
    /// The apps.
    pub apps: Vec<wecom::App>,
    /// The callers.
    pub callers: Vec<access::Settings>,
    /// How tokens of Kubernetes service accounts are checked.
    pub service_accounts: access::ServiceAccountSettings,
    /// How secrets in files are replaced.
    pub reload: reload::Settings,
    /// The logs.
    pub telemetry: telemetry::Settings,
}

/// A gateway whose doors are open but that serves nobody yet.
pub struct Gateway {
    server: server::Server,
    health_server: health::HealthServer,
    health: health::State,
    admin: Admin,
    routes: Routes,
    observe: observe::Layer,
    gate: gate::Layer,
    service_accounts: Option<ServiceAccounts>,
    reload: (reload::Settings, Vec<reload::Secret>, reload::Metrics),
    clients: Vec<wecom::Client>,
    bulk: bulk::Engine,
    store: Store,
    sends: TaskTracker,
    /// How long calls are still taken while clients learn of a shutdown.
    drain_accept: Duration,
    /// Where spans go.
    spans: Option<SdkTracerProvider>,
    /// Ends streams that would outlive the gateway, when it takes no more calls.
    closing: CancellationToken,
    /// Ends the ports that watch, after everything else.
    last: CancellationToken,
}

impl Config {
    /// Checks what can be checked without opening anything; all faults at once.
    pub fn faults(&self, insecure: bool) -> Vec<String> {
        let mut faults = Vec::new();
        if self.apps.is_empty() {
            faults.push(
                "no app is configured; add an [[apps]] section, or try `wecomgw dev`, which brings a WeCom of its own".into(),
            );
        }
        faults.extend(self.grpc.faults());
        faults.extend(self.telemetry.faults());
        faults.extend(self.login.faults());
        faults.extend(self.wecom.faults());
        let clients = wecom::build(&self.wecom, &self.apps, &wecom::Metrics::default(), None);
        faults.extend(clients.err().into_iter().flatten());
        let access = ServiceAccounts::new(&self.service_accounts)
            .map_err(|fault| vec![fault])
            .and_then(|accounts| Access::new(&self.callers, accounts));
        match access {
            Err(more) => faults.extend(more),
            Ok(access) if access.is_open() && !self.grpc.listen.ip().is_loopback() && !insecure => {
                faults.push(format!(
                    "without [[callers]] anyone who reaches {} could send messages; configure callers, listen on 127.0.0.1, or say `serve --insecure`",
                    self.grpc.listen
                ));
            }
            Ok(_) => {}
        }
        faults.extend(
            self.callers
                .iter()
                .flat_map(|caller| self.unknown_names(caller)),
        );
        faults
    }

    /// Apps and RPCs that a caller is given and that do not exist.
    fn unknown_names(&self, caller: &access::Settings) -> Vec<String> {
        let known_app =
            |app: &&String| *app == "*" || self.apps.iter().any(|known| known.name == **app);
        let known_rpc = |permission: &&String| {
            let mut rpcs = all_methods();
            match permission.strip_suffix('*') {
                Some(service) => {
                    let is_service = service.ends_with('/');
                    service.is_empty() || is_service && rpcs.any(|rpc| rpc.starts_with(service))
                }
                None => rpcs.any(|rpc| rpc == **permission),
            }
        };
        let apps = caller.apps.iter().filter(|app| !known_app(app));
        let permissions = caller
            .permissions
            .iter()
            .filter(|permission| !known_rpc(permission));
        let apps = apps.map(|app| format!("caller {:?}: there is no app {app:?}", caller.name));
        let permissions =
            permissions.map(|rpc| format!("caller {:?}: there is no RPC {rpc:?}", caller.name));
        apps.chain(permissions).collect()
    }
}

impl Gateway {
    /// Opens store and ports.
    pub async fn build(config: Config, insecure: bool) -> anyhow::Result<Self> {
        let faults = config.faults(insecure);
        if !faults.is_empty() {
            bail!(
                "the configuration cannot be used:\n  - {}",
                faults.join("\n  - ")
            );
        }
        let Config {
            grpc,
            health,
            admin,
            store,
            login,
            wecom,
            apps,
            callers,
            service_accounts,
            reload,
            telemetry,
        } = config;

        let spans = telemetry::tracer_provider(&telemetry).map_err(anyhow::Error::msg)?;
        let tracer = spans
            .as_ref()
            .map(|spans| spans.tracer(env!("CARGO_PKG_NAME")));
        let mut registry = telemetry::registry();
        let wecom_metrics = wecom::Metrics::default();
        wecom_metrics.register(&mut registry);
        let service_accounts =
            ServiceAccounts::new(&service_accounts).map_err(anyhow::Error::msg)?;
        if let Some(accounts) = &service_accounts {
            // A cluster whose API server is away still gets its gateway.
            accounts.load().await;
        }
        let access = Access::new(&callers, service_accounts.clone()).map_err(joined)?;
        let access = Arc::new(access);
        let mut secrets = caller_secrets(&callers, &access);
        let forgets_all = store.is_in_memory();
        let store = Store::open(&store)
            .await
            .context("the store cannot be opened")?;
        store.register(&mut registry);
        let sharing = store.is_shared().then(|| {
            let sharing: Arc<dyn wecom::Sharing> = Arc::new(SharedTokens::new(store.clone()));
            sharing
        });
        let clients = wecom::build(&wecom, &apps, &wecom_metrics, sharing).map_err(joined)?;
        secrets.extend(app_secrets(&apps, &clients));

        let sessions = Sessions::new(&login, store.clone()).map_err(joined)?;
        if !login.signing_key_files.is_empty() {
            let (files, sessions) = (login.signing_key_files.clone(), sessions.clone());
            secrets.push(secret("session_keys", files, move || sessions.reload()));
        }
        let logins = Logins::new(&login, store.clone());
        // Where everything is forgotten, sessions are no surprise.
        if sessions.end_with_the_process() && login.in_use() && !forgets_all {
            tracing::warn!(
                "[login] signing_key_files names no key, so one was made: logins end when this process does, and other replicas do not know them"
            );
        }

        let sends = TaskTracker::new();
        let callers = Callers::new(access, clients.clone());
        let descriptors = descriptors();
        let services = vec![
            service_name::<AppChatServiceServer<AppChatService>>(),
            service_name::<AuthServiceServer<AuthService>>(),
            service_name::<BulkServiceServer<BulkService>>(),
            service_name::<GatewayServiceServer<GatewayService>>(),
            service_name::<MediaServiceServer<MediaService>>(),
            service_name::<MessageServiceServer<MessageService>>(),
            service_name::<UserServiceServer<UserService>>(),
        ];
        let closing = CancellationToken::new();
        let bulk_metrics = bulk::Metrics::default();
        bulk_metrics.register(&mut registry);
        let bulk = bulk::Engine::new(store.clone(), &clients, bulk_metrics, tracer.clone());
        let health_state = health::State::new(services.iter().map(String::as_str));
        let routes = routes(
            &services,
            callers.clone(),
            AuthService::new(callers.clone(), logins, sessions.clone(), sends.clone()),
            BulkService::new(callers.clone(), bulk.clone(), closing.clone()),
            RequestIds::new(store.clone(), sends.clone()),
            closing.clone(),
            &health_state,
        )?;
        let gate = gate::Layer::new(
            callers.clone(),
            &descriptors,
            grpc.limits(),
            gate::Metrics::register(&mut registry),
            tracer,
        );
        let observe = observe::Layer::new(observe::Metrics::register(
            &mut registry,
            methods(&descriptors, &services),
        ));

        let reload_metrics = reload::Metrics::register(&mut registry);
        let last = CancellationToken::new();
        let server_metrics = server::Metrics::register(&mut registry, &grpc);
        let drain_accept = grpc.drain_accept;
        let server = server::Server::bind(grpc, server_metrics).context("section [grpc]")?;
        if let Some(tls) = server.tls() {
            let reload = move |tls: &server::Tls| tls.reload().map_err(|error| error.to_string());
            secrets.push(secret("tls", tls.files(), move || reload(&tls)));
        }
        let health_server = health::spawn(health, health_state.clone(), last.clone())
            .context("section [health]")?;
        let probes = admin::Probes {
            live: Box::new({
                let state = health_state.clone();
                move || state.live()
            }),
            ready: Box::new({
                let state = health_state.clone();
                move || state.ready()
            }),
        };
        let documents = vec![admin::Document {
            path: "/.well-known/jwks.json",
            content_type: "application/jwk-set+json",
            body: Arc::new(move || sessions.jwks()),
        }];
        let admin = Admin::bind(&admin, probes, documents, Arc::new(registry))
            .context("section [admin]")?;
        Ok(Self {
            server,
            health_server,
            health: health_state,
            admin,
            routes,
            observe,
            gate,
            service_accounts,
            reload: (reload, secrets, reload_metrics),
            clients,
            bulk,
            store,
            sends,
            drain_accept,
            spans,
            closing,
            last,
        })
    }

    /// Address of the gRPC door.
    pub fn grpc_address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Address of the health port.
    pub fn health_address(&self) -> SocketAddr {
        self.health_server.address()
    }

    /// Address of the admin port.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Serves until `shutdown`, then drains and returns in bounded time. Fails when it had to
    /// stop by itself.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self {
            server,
            health_server,
            health,
            admin,
            routes,
            observe,
            gate,
            service_accounts,
            reload: (reload, secrets, reload_metrics),
            clients,
            bulk,
            store,
            sends,
            drain_accept,
            spans,
            closing,
            last,
        } = self;
        let background = TaskTracker::new();
        background.spawn(admin.run(last.clone()));
        let working = TaskTracker::new();
        working.spawn(bulk.clone().run(clients.clone(), shutdown.clone()));
        working.close();
        background.spawn({
            let (bulk, shutdown, last) = (bulk.clone(), shutdown.clone(), last.clone());
            async move {
                let broken = bulk.broken().cancelled();
                if last.run_until_cancelled(broken).await.is_some() {
                    shutdown.cancel();
                }
            }
        });
        for client in clients {
            background.spawn(client.run(last.clone()));
        }
        if let Some(accounts) = service_accounts {
            background.spawn(accounts.run(last.clone()));
        }
        background.spawn(reload::run(reload, secrets, reload_metrics, last.clone()));
        background.spawn(sweep(store.clone(), last.clone()));
        background.spawn(bulk.clone().count_backlog(last.clone()));
        background.spawn(watch_store(store.clone(), health.clone(), last.clone()));
        background.spawn({
            let (health, shutdown) = (health.clone(), shutdown.clone());
            async move {
                shutdown.cancelled().await;
                tracing::info!("shutting down: calls under way end, new ones go elsewhere");
                health.set_draining();
                tokio::time::sleep(drain_accept).await;
                closing.cancel();
            }
        });

        health.set("startup", true);
        health.set("readiness", true);
        tracing::info!(address = %server.address(), "serving gRPC on {}", server.address());
        let service = observe.layer(gate.layer(routes));
        server.run(service, shutdown.clone()).await;

        sends.close();
        if tokio::time::timeout(TASK_GRACE, sends.wait())
            .await
            .is_err()
        {
            tracing::warn!("sends were still under way; their outcome is in the store as unknown");
        }
        shutdown.cancel();
        working.wait().await;
        last.cancel();
        background.close();
        background.wait().await;
        health_server.finished().await;
        store.close().await;
        if let Some(spans) = spans {
            // Blocks until what waits is sent, or a few seconds.
            let sent = tokio::task::spawn_blocking(move || spans.shutdown()).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::warn!("the last spans did not reach the collector");
            }
        }
        tracing::info!("stopped");
        if bulk.broken().is_cancelled() {
            bail!("the store's disk failed; bulk jobs go on with the next start");
        }
        Ok(())
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn joined(faults: Vec<String>) -> anyhow::Error {
    anyhow::anyhow!(faults.join("\n"))
}
