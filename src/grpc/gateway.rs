//! GatewayService: tells about the gateway itself.

use std::time::SystemTime;

use tonic::{Request, Response, Status};

use super::caller::Callers;
use super::{convert, pb, status};
use crate::wecom::raw::{Raw, redact};

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

    async fn diagnose_app(
        &self,
        request: Request<pb::DiagnoseAppRequest>,
    ) -> Result<Response<pb::DiagnoseAppResponse>, Status> {
        let caller = self.callers.admit(&request, "GatewayService/DiagnoseApp")?;
        let client = caller.app(&request.get_ref().app)?;
        let checks = client.diagnose(caller.deadline).await;
        let checks = checks.into_iter().map(convert::gateway::check).collect();
        Ok(Response::new(pb::DiagnoseAppResponse { checks }))
    }

    async fn call_api(
        &self,
        request: Request<pb::CallApiRequest>,
    ) -> Result<Response<pb::CallApiResponse>, Status> {
        let caller = self.callers.admit(&request, "GatewayService/CallApi")?;
        let pb::CallApiRequest {
            app,
            path,
            query,
            json_body,
        } = request.into_inner();
        let client = caller.app(&app)?;
        let path = caller.api_path(&path)?;
        let raw = Raw {
            path,
            query: query.into_iter().collect(),
            json_body,
        };
        let violations = raw.check();
        if !violations.is_empty() {
            return Err(status::invalid(violations));
        }
        let mut answer = client
            .call(&raw, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        redact(&mut answer);
        Ok(Response::new(pb::CallApiResponse {
            json_body: answer.to_string(),
        }))
    }
}
