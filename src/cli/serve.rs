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

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { config, insecure } = arguments;
    let config = config.load()?;
    telemetry::init(&config.telemetry)?;
    let shutdown = shutdown_signal()?;
    let gateway = Gateway::build(config, insecure).await?;
    gateway.run(shutdown).await
}
