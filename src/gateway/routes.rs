//! The services of the contract as the door serves them.

use anyhow::Context as _;
use prost_types::FileDescriptorSet;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

use crate::grpc::pb::app_chat_service_server::AppChatServiceServer;
use crate::grpc::pb::auth_service_server::AuthServiceServer;
use crate::grpc::pb::bulk_service_server::BulkServiceServer;
use crate::grpc::pb::gateway_service_server::GatewayServiceServer;
use crate::grpc::pb::media_service_server::MediaServiceServer;
use crate::grpc::pb::message_service_server::MessageServiceServer;
use crate::grpc::pb::user_service_server::UserServiceServer;
use crate::grpc::{
    AppChatService, AuthService, BULK_DECODE_LIMIT_BYTES, BulkService, Callers, GatewayService,
    MediaService, MessageService, RequestIds, UPLOAD_DECODE_LIMIT_BYTES, UserService, health, pb,
};

/// Largest message that is read. Two inline media of 2 MiB (an article and its
/// cover) and their text fit.
const DECODE_LIMIT_BYTES: usize = 5 * 1024 * 1024;
/// Largest message that is written.
const ENCODE_LIMIT_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn service_name<S: tonic::server::NamedService>() -> String {
    S::NAME.to_owned()
}

/// The contract, read once.
pub(super) fn descriptors() -> FileDescriptorSet {
    prost::Message::decode(pb::DESCRIPTORS).expect("the build wrote the descriptor set")
}

/// Every RPC of the contract as permissions name it: `MessageService/SendMessage`.
pub(super) fn all_methods() -> impl Iterator<Item = String> {
    let services = descriptors().file.into_iter().flat_map(|file| file.service);
    services.flat_map(|service| {
        let name = service.name().to_owned();
        let methods = service.method.into_iter();
        methods.map(move |method| format!("{name}/{}", method.name()))
    })
}

/// The full names of all methods of `services`.
pub(super) fn methods(descriptors: &FileDescriptorSet, services: &[String]) -> Vec<String> {
    let files = descriptors.file.iter();
    files
        .flat_map(|file| {
            file.service.iter().flat_map(move |service| {
                let name = format!("{}.{}", file.package(), service.name());
                service
                    .method
                    .iter()
                    .map(move |method| (name.clone(), method.name().to_owned()))
            })
        })
        .filter(|(service, _)| services.contains(service))
        .map(|(service, method)| format!("{service}/{method}"))
        .collect()
}

/// A service with the limits of its messages; the generated types share no trait for these.
macro_rules! limited {
    ($server:ident, $service:expr, $decoded_bytes:expr) => {
        $server::new($service)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size($decoded_bytes)
            .max_encoding_message_size(ENCODE_LIMIT_BYTES)
    };
}

/// All services, with health and reflection.
pub(super) fn routes(
    services: &[String],
    callers: Callers,
    auth: AuthService,
    bulk: BulkService,
    request_ids: RequestIds,
    closing: CancellationToken,
    health: &health::State,
) -> anyhow::Result<Routes> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let message = MessageService::new(callers.clone(), request_ids);
    let user = UserService::new(callers.clone(), closing);
    let app_chat = AppChatService::new(callers.clone());
    let media = MediaService::new(callers.clone());
    let gateway = GatewayService::new(callers, services.to_vec());
    Ok(
        Routes::new(limited!(MessageServiceServer, message, DECODE_LIMIT_BYTES))
            .add_service(limited!(AppChatServiceServer, app_chat, DECODE_LIMIT_BYTES))
            .add_service(limited!(AuthServiceServer, auth, DECODE_LIMIT_BYTES))
            .add_service(limited!(BulkServiceServer, bulk, BULK_DECODE_LIMIT_BYTES))
            .add_service(limited!(
                MediaServiceServer,
                media,
                UPLOAD_DECODE_LIMIT_BYTES
            ))
            .add_service(limited!(UserServiceServer, user, DECODE_LIMIT_BYTES))
            .add_service(limited!(GatewayServiceServer, gateway, DECODE_LIMIT_BYTES))
            .add_service(health::service(health.clone()))
            .add_service(reflection().build_v1().context("reflection v1")?)
            .add_service(reflection().build_v1alpha().context("reflection v1alpha")?)
            .prepare(),
    )
}
