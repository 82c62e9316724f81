//! What the gateway is compared with.

use std::sync::Arc;

use bytes::Bytes;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::message_service_server::{MessageService, MessageServiceServer};

use crate::load::{Plan, closed_loop_or_rate};
use crate::upstream::TOKEN_LENGTH;
use crate::{Outcome, process};

/// E: a tonic server as its documentation shows it, that answers at once.
pub(crate) async fn echo() -> Outcome<()> {
    struct Echo;
    #[tonic::async_trait]
    impl MessageService for Echo {
        async fn send_message(
            &self,
            _: Request<pb::SendMessageRequest>,
        ) -> Result<Response<pb::SendMessageResponse>, Status> {
            Ok(Response::new(pb::SendMessageResponse {
                message_id: "bench-message-0123456789012345678901234567890123".to_owned(),
                ..Default::default()
            }))
        }
        async fn validate_message(
            &self,
            _: Request<pb::ValidateMessageRequest>,
        ) -> Result<Response<pb::ValidateMessageResponse>, Status> {
            Err(Status::unimplemented("an echo"))
        }
        async fn recall_message(
            &self,
            _: Request<pb::RecallMessageRequest>,
        ) -> Result<Response<pb::RecallMessageResponse>, Status> {
            Err(Status::unimplemented("an echo"))
        }
        async fn update_template_card(
            &self,
            _: Request<pb::UpdateTemplateCardRequest>,
        ) -> Result<Response<pb::UpdateTemplateCardResponse>, Status> {
            Err(Status::unimplemented("an echo"))
        }
        async fn update_task_card(
            &self,
            _: Request<pb::UpdateTaskCardRequest>,
        ) -> Result<Response<pb::UpdateTaskCardResponse>, Status> {
            Err(Status::unimplemented("an echo"))
        }
        async fn get_send_statistics(
            &self,
            _: Request<pb::GetSendStatisticsRequest>,
        ) -> Result<Response<pb::GetSendStatisticsResponse>, Status> {
            Err(Status::unimplemented("an echo"))
        }
    }
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
    process::ready(&format!("http://{}", incoming.local_addr()?));
    tonic::transport::Server::builder()
        .add_service(MessageServiceServer::new(Echo))
        .serve_with_incoming_shutdown(incoming, process::terminated())
        .await?;
    Ok(())
}

/// H: a POST by reqwest as its documentation shows it, the answer read to its end.
pub(crate) async fn client(plan: Plan, upstream: &str) -> Outcome<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let token = "t".repeat(TOKEN_LENGTH);
    let url: Arc<str> = format!("{upstream}/cgi-bin/message/send?access_token={token}").into();
    let body = Bytes::from_static(
        br#"{"touser":"u0000000001","msgtype":"text","agentid":1000002,"text":{"content":"The build has passed; the release goes out at noon."}}"#,
    );
    closed_loop_or_rate(plan, move |_| {
        let (http, url, body) = (http.clone(), url.clone(), body.clone());
        async move {
            let request = http
                .post(&*url)
                .header("content-type", "application/json")
                .body(body);
            let answer = request.send().await?.bytes().await?;
            assert!(answer.starts_with(b"{"));
            Ok(())
        }
    })
    .await
}
