//! GatewayService: tells about the gateway itself.

use std::time::SystemTime;

use tonic::{Request, Response, Status};

use super::caller::Callers;
use super::{convert, pb};

/// The adapter of GatewayService.
pub struct GatewayService {
    callers: Callers,
    started_at: SystemTime,
    services: Vec<String>,
}

impl GatewayService {
    /// For these callers; `services` are the full names of what the server offers.
    pub fn new(callers: Callers, services: Vec<String>) -> Self {
        Self {
            callers,
            started_at: SystemTime::now(),
            services,
        }
    }
}

#[tonic::async_trait]
impl pb::gateway_service_server::GatewayService for GatewayService {
    async fn get_server_info(
        &self,
        request: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::GetServerInfoResponse>, Status> {
        self.callers
            .admit(&request, "GatewayService/GetServerInfo")?;
        Ok(Response::new(pb::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Some(self.started_at.into()),
            services: self.services.clone(),
        }))
    }

    async fn list_apps(
        &self,
        request: Request<pb::ListAppsRequest>,
    ) -> Result<Response<pb::ListAppsResponse>, Status> {
        let caller = self.callers.admit(&request, "GatewayService/ListApps")?;
        let mut apps = Vec::new();
        for client in caller.apps() {
            apps.push(convert::gateway::app(client, client.state().await));
        }
        Ok(Response::new(pb::ListAppsResponse { apps }))
    }
}
