//! Which command was asked for, and how the process ends.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::connection::{ADDRESS_VARIABLE, TOKEN_FILE_VARIABLE};
use super::{bulk, check, dev, doctor, health, sandbox, send, serve};
use crate::config::Sources;
use crate::gateway::{Config, DEFAULTS};

/// Variables of those who call a gateway: of the commands, see [`GatewayArguments`], and of
/// the clients, see W5 of `clients/SPEC.md`. They look like settings and are none.
///
/// [`GatewayArguments`]: super::connection::GatewayArguments
const CLIENT_VARIABLES: [&str; 6] = [
    ADDRESS_VARIABLE,
    TOKEN_FILE_VARIABLE,
    "WECOMGW_TOKEN",
    "WECOMGW_CA_FILE",
    "WECOMGW_CERT_FILE",
    "WECOMGW_KEY_FILE",
];

/// A gRPC gateway to WeCom (企业微信).
#[derive(Parser)]
#[command(name = "wecomgw", version, about, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start gateway and sandbox in one process, to try things out.
    Dev(dev::Arguments),
    /// Start the gateway.
    Serve(serve::Arguments),
    /// Start the sandbox alone: a WeCom for other programs' tests.
    Sandbox(sandbox::Arguments),
    /// Send a message through a running gateway.
    Send(Box<send::Arguments>),
    /// Send a message to very many members, and watch how each of them fares.
    Bulk(Box<bulk::Arguments>),
    /// Print the merged configuration, secrets masked, and tell what is wrong with it.
    Check(check::Arguments),
    /// Ask a running gateway what WeCom says of each app, and what mends it.
    Doctor(doctor::Arguments),
    /// Ask a running gateway whether it is well: exit code 0 or 1.
    Health(health::Arguments),
}

/// Where settings come from.
#[derive(Args)]
pub(super) struct ConfigArguments {
    /// The configuration file (TOML); settings can also come from the
    /// environment, as in WECOMGW_GRPC__LISTEN.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl ConfigArguments {
    /// Reads all sources.
    pub(super) fn sources(&self) -> anyhow::Result<Sources> {
        Ok(Sources::read(
            DEFAULTS,
            self.config.as_deref(),
            environment(),
        )?)
    }

    /// Reads all sources as settings.
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        self.sources()?
            .extract()
            .context("the configuration cannot be used")
    }
}

/// The one place where the environment is read.
#[expect(clippy::disallowed_methods, reason = "everyone else gets it from here")]
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    // Names and values that are no text cannot be settings.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !CLIENT_VARIABLES.contains(&name.as_str()))
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let CommandLine { command } = CommandLine::parse();
    let result = match command {
        Command::Dev(arguments) => {
            server_runtime().and_then(|runtime| runtime.block_on(dev::run(arguments)))
        }
        Command::Serve(arguments) => {
            server_runtime().and_then(|runtime| runtime.block_on(serve::run(arguments)))
        }
        Command::Sandbox(arguments) => {
            server_runtime().and_then(|runtime| runtime.block_on(sandbox::run(arguments)))
        }
        Command::Send(arguments) => {
            client_runtime().and_then(|runtime| runtime.block_on(send::run(*arguments)))
        }
        Command::Bulk(arguments) => {
            client_runtime().and_then(|runtime| runtime.block_on(bulk::run(*arguments)))
        }
        Command::Check(arguments) => check::run(&arguments),
        Command::Doctor(arguments) => {
            client_runtime().and_then(|runtime| runtime.block_on(doctor::run(arguments)))
        }
        Command::Health(arguments) => {
            client_runtime().and_then(|runtime| runtime.block_on(health::run(arguments)))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn say_error(error: &anyhow::Error) {
    eprintln!("error: {}", told_once(error));
    if address_in_use(error) {
        eprintln!("Another process has that port: is a gateway or a sandbox running already?");
    }
}

/// The causes in a row, without those that the text before them has told already.
fn told_once(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Whether it failed because another process has the port.
pub(super) fn address_in_use(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
    })
}

fn server_runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

fn client_runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A token that is cancelled by SIGTERM or Ctrl-C.
pub(super) fn shutdown_signal() -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
        // A second Ctrl-C means it.
        interrupt.recv().await;
        std::process::exit(130);
    });
    Ok(shutdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let port = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        let told = format!("cannot listen: {port}");
        let error = anyhow::Error::new(port).context(told.clone());
        assert!(address_in_use(&error));
        assert_eq!(
            told_once(&error.context("section [grpc]")),
            format!("section [grpc]: {told}")
        );
        assert!(!address_in_use(&anyhow::anyhow!("another")));
    }
}
