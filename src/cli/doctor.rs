//! `wecomgw doctor`: what WeCom says of each app.

use anyhow::{Context as _, bail};
use clap::Args;
use tonic::transport::Channel;

use super::connection::{Connection, GatewayArguments, explain};
use crate::grpc::pb;
use crate::grpc::pb::gateway_service_client::GatewayServiceClient;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// Name of the app; all that the caller may use when left out.
    #[arg(long)]
    app: Option<String>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { gateway, app } = arguments;
    let connection = gateway.connect().await?;
    let mut client = GatewayServiceClient::new(connection.channel());
    let apps = match app {
        Some(app) => vec![app],
        None => names(&mut client, &connection).await?,
    };
    let mut failed = 0;
    for app in apps {
        println!("{app}");
        let request = connection.request(pb::DiagnoseAppRequest { app });
        let reply = client
            .diagnose_app(request)
            .await
            .map_err(|status| explain(&status))?;
        for check in reply.into_inner().checks {
            let verdict = check.verdict();
            failed += usize::from(verdict == pb::DiagnosisVerdict::Failed);
            let word = match verdict {
                pb::DiagnosisVerdict::Ok => "ok",
                pb::DiagnosisVerdict::Warning => "note",
                pb::DiagnosisVerdict::Failed => "FAILED",
                pb::DiagnosisVerdict::Skipped | pb::DiagnosisVerdict::Unspecified => "-",
            };
            println!("  {word:<7} {}: {}", check.name, check.finding);
            if !check.remedy.is_empty() {
                println!("          {}", check.remedy);
            }
        }
    }
    if failed > 0 {
        bail!("{failed} check(s) failed");
    }
    Ok(())
}

async fn names(
    client: &mut GatewayServiceClient<Channel>,
    connection: &Connection,
) -> anyhow::Result<Vec<String>> {
    let request = connection.request(pb::ListAppsRequest {});
    let reply = client
        .list_apps(request)
        .await
        .map_err(|status| explain(&status))?;
    let apps = reply.into_inner().apps;
    apps.first()
        .context("the gateway has no app for this caller")?;
    Ok(apps.into_iter().map(|app| app.name).collect())
}
