//! `wecomgw health`: an exit code for a container's probe.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::connection::{connect, endpoint, is_no_grpc};

/// A probe that takes longer is a bad sign in itself.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(super) struct Arguments {
    /// The gateway's health port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    address: String,
    /// What to ask about: readiness, liveness, startup, or a service's full name.
    #[arg(long, value_name = "NAME", default_value = "readiness")]
    service: String,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { address, service } = arguments;
    let endpoint = endpoint(&address)?
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT);
    let advice = "is it running, and is [health] listen set to this address?";
    let channel = connect(endpoint, &address, advice).await?;
    let request = HealthCheckRequest {
        service: service.clone(),
    };
    let reply =
        HealthClient::new(channel)
            .check(request)
            .await
            .map_err(|status| match is_no_grpc(&status) {
                true => {
                    anyhow::anyhow!("what answers on {address} is not the gateway's health port")
                }
                false => anyhow::anyhow!("{service}: {}", status.message()),
            })?;
    let service = match service.as_str() {
        "" => "the gateway",
        name => name,
    };
    match reply.into_inner().status() {
        ServingStatus::Serving => {
            println!("{service}: SERVING");
            Ok(())
        }
        other => bail!("{service}: {}", other.as_str_name()),
    }
}
