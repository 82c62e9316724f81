//! `wecomgw sandbox`: a WeCom for other programs' tests.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use secrecy::ExposeSecret as _;

use super::command::shutdown_signal;
use crate::sandbox::{Sandbox, Settings};

#[derive(Args)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8800")]
    listen: SocketAddr,
    /// Add so many members, user0000001 and on: people for bulk sends.
    #[arg(long, value_name = "NUMBER")]
    crowd: Option<u32>,
    /// Append a line to this file for each message/send, before it is answered.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        listen,
        crowd,
        ledger,
    } = arguments;
    let shutdown = shutdown_signal()?;
    if let Some(file) = &ledger {
        // Binding opens it too, but would blame the address.
        let options = OpenOptions::new().append(true).create(true).open(file);
        options.with_context(|| format!("cannot write to {}", file.display()))?;
    }
    let mut settings = Settings::demo(listen);
    settings.ledger_file = ledger;
    if let Some(crowd) = crowd {
        settings = settings.with_crowd(crowd);
    }
    let apps = settings.apps.clone();
    let corp_id = settings.corp_id.clone();
    let contacts_secret = settings.contacts_secret.clone();
    let sandbox = bind(settings, "--listen").await?;
    println!("A WeCom to test against: {}", sandbox.base_url());
    println!("  inbox    {}/", sandbox.base_url());
    println!("  corp id  {corp_id}");
    for app in apps {
        println!(
            "  app      {}, agent id {}, secret {}",
            app.name,
            app.agent_id,
            app.secret.expose_secret()
        );
    }
    if let Some(secret) = contacts_secret {
        println!("  contacts secret {}", secret.expose_secret());
    }
    println!("Ctrl-C stops it. docs/sandbox.md tells its faults and modes.");
    sandbox.run(shutdown).await;
    Ok(())
}

/// Binds the sandbox; `option` is the command's option that names the address.
pub(super) async fn bind(settings: Settings, option: &str) -> anyhow::Result<Sandbox> {
    let listen = settings.listen;
    Sandbox::bind(settings).await.with_context(|| {
        format!("the sandbox cannot listen on {listen} (`{option} 127.0.0.1:0` takes a free port)")
    })
}
