//! MessageService: sends and checks messages.

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
            return Err(status::invalid(vec![violation]));
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
        let rendered = client
            .prepare(send, deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        let mut sent = client
            .call(&rendered, deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        rendered.spell(&mut sent);
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
}
