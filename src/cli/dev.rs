//! `wecomgw dev`: gateway and sandbox in one process, to try things out.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use clap::Args;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::command::{ConfigArguments, address_in_use, shutdown_signal};
use super::sandbox::bind;
use crate::config::Sources;
use crate::gateway::{Config, DEFAULTS, Gateway};
use crate::{sandbox, telemetry};

/// What suits a desk: nothing to clean up, logs for people, an end that does not wait for a
/// load balancer to notice, and logins that return to `examples/web-login`.
const OVERLAY: &str = r#"
[store]
url = "sqlite::memory:"
[telemetry]
format = "text"
level = "warn,audit=off"
[grpc]
drain_accept = "0s"
drain_grace = "2s"
[login]
redirect_uris = ["http://127.0.0.1:8000/callback", "http://localhost:8000/callback"]
"#;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Where the sandbox listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8800")]
    sandbox_listen: SocketAddr,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        config,
        sandbox_listen,
    } = arguments;
    let shutdown = shutdown_signal()?;
    let settings = sandbox::Settings::demo(sandbox_listen);
    let apps = demo_apps(&settings);
    let sandbox = bind(settings, "--sandbox-listen").await?;
    // Over the defaults and under the user's own: what makes it a sandbox.
    let overlay = format!(
        "[wecom]\nbase_url = \"{0}\"\noauth_page_base_url = \"{0}\"\nqr_page_base_url = \"{0}\"\n{OVERLAY}{apps}",
        sandbox.base_url()
    );
    let sources = Sources::read_with(
        DEFAULTS,
        &overlay,
        config.config.as_deref(),
        super::command::environment(),
    )?;
    let config: Config = sources
        .extract()
        .context("the configuration cannot be used")?;
    telemetry::init(&config.telemetry)?;
    let base_url = config.wecom.base_url.clone();
    let gateway =
        Gateway::build(config, false)
            .await
            .map_err(|error| match address_in_use(&error) {
                true => {
                    error.context("WECOMGW_GRPC__LISTEN=127.0.0.1:0 and the like take free ports")
                }
                false => error,
            })?;
    greet(&gateway, &sandbox.base_url());
    if base_url != sandbox.base_url() {
        println!("\nYour settings send the apps to {base_url}, past the sandbox.");
    }
    // Calls under way still want their WeCom.
    let last = CancellationToken::new();
    let sandbox = tokio::spawn(sandbox.run(last.clone()));
    let served = gateway.run(shutdown).await;
    last.cancel();
    sandbox.await.context("the sandbox failed")?;
    served
}

/// The demo's apps as configuration. Their secrets are made up and public.
fn demo_apps(settings: &sandbox::Settings) -> String {
    let contacts = settings.contacts_secret.as_ref().map(|secret| {
        let secret = secret.expose_secret();
        format!("contacts_secret = \"{secret}\"\n")
    });
    let contacts = contacts.unwrap_or_default();
    let sections = settings.apps.iter().map(|app| {
        format!(
            "[[apps]]\nname = \"{}\"\ncorp_id = \"{}\"\nagent_id = {}\nsecret = \"{}\"\n{contacts}",
            app.name,
            settings.corp_id,
            app.agent_id,
            app.secret.expose_secret()
        )
    });
    sections.collect()
}

/// This program as it was called, so that the printed line works where nothing is installed.
fn program() -> String {
    let called = std::env::args().next();
    called.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
}

fn greet(gateway: &Gateway, inbox: &str) {
    let port = gateway.grpc_address().port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let program = program();
    let body = r#"{"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"text": {"content": "Hello from wecomgw"}}}"#;
    println!(
        "wecomgw {} is up, with a WeCom of its own.

  inbox    {inbox}/
  gRPC     {address}
  health   {}
  admin    http://{}/metrics, /livez, /readyz, /version

Send a message, then look at the inbox:

  grpcurl -plaintext -d '{body}' {address} wecomgw.v1.MessageService/SendMessage

  buf curl --protocol grpc --http2-prior-knowledge -d '{body}' http://{address}/wecomgw.v1.MessageService/SendMessage

  {program} send --address {address} --app youxiao --to zhangsan --text 'Hello from wecomgw'

More requests to try: examples/*.json. People log in with `cargo run --example web-login`.
Ctrl-C stops both.",
        env!("CARGO_PKG_VERSION"),
        gateway.health_address(),
        gateway.admin_address(),
    );
}
