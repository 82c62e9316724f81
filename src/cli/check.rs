//! `wecomgw check`: the merged configuration and its faults.

use anyhow::bail;
use clap::Args;

use super::command::ConfigArguments;
use crate::gateway::{Config, SECRET_KEYS};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Check as `serve --insecure` would.
    #[arg(long)]
    insecure: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let sources = arguments.config.sources()?;
    // Nothing is shown before it is understood: a misspelt key may hold a secret.
    let config: Config = sources.extract()?;
    println!("{}", sources.masked(&SECRET_KEYS)?);
    let faults = config.faults(arguments.insecure);
    if !faults.is_empty() {
        bail!("{} fault(s):\n  - {}", faults.len(), faults.join("\n  - "));
    }
    println!(
        "# No fault found. Ports, store and TLS files are tried by `wecomgw serve`, apps by `wecomgw doctor`."
    );
    Ok(())
}
