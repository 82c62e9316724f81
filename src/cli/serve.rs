//! `wecomgw serve`: the gateway.

use clap::Args;

use super::command::{ConfigArguments, shutdown_signal};
use crate::gateway::Gateway;
use crate::telemetry;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Let anyone in who reaches the address, even from other machines.
    #[arg(long)]
    insecure: bool,
}

/// A core dump would hold every secret. Best effort: some sandboxes refuse the calls, and
/// the process serves without.
fn no_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let limited = rustix::process::setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let limited = limited.and(rustix::process::set_dumpable_behavior(
        DumpableBehavior::NotDumpable,
    ));
    if let Err(error) = limited {
        tracing::warn!("core dumps cannot be turned off: {error}");
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { config, insecure } = arguments;
    let config = config.load()?;
    telemetry::init(&config.telemetry)?;
    no_core_dumps();
    let shutdown = shutdown_signal()?;
    let gateway = Gateway::build(config, insecure).await?;
    gateway.run(shutdown).await
}
