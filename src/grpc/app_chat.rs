//! AppChatService: makes group chats for an app, and sends to them.

use tonic::{Request, Response, Status};

use super::caller::Callers;
use super::{convert, pb, status};

/// The adapter of AppChatService.
pub struct AppChatService {
    callers: Callers,
}

impl AppChatService {
    /// For these callers.
    pub fn new(callers: Callers) -> Self {
        Self { callers }
    }
}

#[tonic::async_trait]
impl pb::app_chat_service_server::AppChatService for AppChatService {
    async fn create_chat(
        &self,
        request: Request<pb::CreateChatRequest>,
    ) -> Result<Response<pb::CreateChatResponse>, Status> {
        let caller = self.callers.admit(&request, "AppChatService/CreateChat")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let create = convert::app_chat::create(request).map_err(status::invalid)?;
        let created = client
            .create_chat(&create, caller.deadline)
            .await
            .map_err(|error| status::chat_creation(&error, &create.chat_id))?;
        Ok(Response::new(convert::app_chat::created(created)))
    }

    async fn get_chat(
        &self,
        request: Request<pb::GetChatRequest>,
    ) -> Result<Response<pb::GetChatResponse>, Status> {
        let caller = self.callers.admit(&request, "AppChatService/GetChat")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let get = convert::app_chat::get(request).map_err(status::invalid)?;
        let chat = client
            .get_chat(&get, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::app_chat::got(&get, chat)))
    }

    async fn update_chat(
        &self,
        request: Request<pb::UpdateChatRequest>,
    ) -> Result<Response<pb::UpdateChatResponse>, Status> {
        let caller = self.callers.admit(&request, "AppChatService/UpdateChat")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let update = convert::app_chat::update(request).map_err(status::invalid)?;
        client
            .update_chat(&update, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(pb::UpdateChatResponse {}))
    }

    async fn send_chat_message(
        &self,
        request: Request<pb::SendChatMessageRequest>,
    ) -> Result<Response<pb::SendChatMessageResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "AppChatService/SendChatMessage")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let send = convert::app_chat::send(request).map_err(status::invalid)?;
        client
            .send_to_chat(send, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(pb::SendChatMessageResponse {}))
    }
}
