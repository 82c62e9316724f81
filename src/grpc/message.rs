//! MessageService: sends and checks messages, and changes those that were sent.

use tonic::{Request, Response, Status};

use super::caller::Callers;
use super::request_id::{self, RequestIds};
use super::{convert, pb, status};

/// The adapter of MessageService.
pub struct MessageService {
    callers: Callers,
    request_ids: RequestIds,
}

impl MessageService {
    /// For these callers.
    pub fn new(callers: Callers, request_ids: RequestIds) -> Self {
        Self {
            callers,
            request_ids,
        }
    }
}

#[tonic::async_trait]
impl pb::message_service_server::MessageService for MessageService {
    async fn send_message(
        &self,
        request: Request<pb::SendMessageRequest>,
    ) -> Result<Response<pb::SendMessageResponse>, Status> {
        let caller = self.callers.admit(&request, "MessageService/SendMessage")?;
        let mut request = request.into_inner();
        let client = caller.app(&request.app)?;
        let request_id = std::mem::take(&mut request.request_id);
        if let Some(violation) = request_id::check(&request_id) {
            // With everything else that is wrong, as ValidateMessage tells it.
            let others =
                convert::message::send(request).map_or_else(|all| all, |send| send.check());
            return Err(status::invalid([vec![violation], others].concat()));
        }
        let fingerprint = (!request_id.is_empty()).then(|| request_id::fingerprint(&request));
        let send = convert::message::send(request).map_err(status::invalid)?;
        let deadline = caller.deadline;
        if let Some(fingerprint) = fingerprint {
            let name = caller.name();
            return self
                .request_ids
                .send(name, request_id, fingerprint, client, send, deadline)
                .await
                .map(Response::new);
        }
        let sent = client
            .send(send, deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::message::sent(sent)))
    }

    async fn validate_message(
        &self,
        request: Request<pb::ValidateMessageRequest>,
    ) -> Result<Response<pb::ValidateMessageResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "MessageService/ValidateMessage")?;
        let message = request.into_inner().message.unwrap_or_default();
        let client = caller.app(&message.app)?;
        let request_id = request_id::check(&message.request_id);
        let mut violations = Vec::from_iter(request_id);
        let reply = match convert::message::send(message) {
            Err(mut more) => {
                violations.append(&mut more);
                pb::ValidateMessageResponse::default()
            }
            Ok(send) => {
                violations.append(&mut send.check());
                let held = client.hold(&send.recipients.user_ids);
                let size = match violations.is_empty() {
                    true => client
                        .body_size(send)
                        .map_err(|error| status::wecom(&error))?,
                    false => 0,
                };
                convert::message::validated(held, size)
            }
        };
        let violations = violations
            .into_iter()
            .map(convert::message::violation)
            .collect();
        Ok(Response::new(pb::ValidateMessageResponse {
            violations,
            ..reply
        }))
    }

    async fn recall_message(
        &self,
        request: Request<pb::RecallMessageRequest>,
    ) -> Result<Response<pb::RecallMessageResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "MessageService/RecallMessage")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let recall = convert::update::recall(request).map_err(status::invalid)?;
        client
            .call(&recall, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(pb::RecallMessageResponse {}))
    }

    async fn update_template_card(
        &self,
        request: Request<pb::UpdateTemplateCardRequest>,
    ) -> Result<Response<pb::UpdateTemplateCardResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "MessageService/UpdateTemplateCard")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let update = convert::update::card_update(request).map_err(status::invalid)?;
        let updated = client
            .update_card(update, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::update::card_updated(updated)))
    }

    async fn update_task_card(
        &self,
        request: Request<pb::UpdateTaskCardRequest>,
    ) -> Result<Response<pb::UpdateTaskCardResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "MessageService/UpdateTaskCard")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let update = convert::update::task_card_update(request, client.agent_id())
            .map_err(status::invalid)?;
        let mut updated = client
            .call(&update, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        update.spell(&mut updated);
        Ok(Response::new(convert::update::task_card_updated(updated)))
    }

    async fn get_send_statistics(
        &self,
        request: Request<pb::GetSendStatisticsRequest>,
    ) -> Result<Response<pb::GetSendStatisticsResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "MessageService/GetSendStatistics")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let get = convert::update::get_statistics(request).map_err(status::invalid)?;
        let statistics = client
            .call(&get, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::update::statistics(statistics)))
    }
}
