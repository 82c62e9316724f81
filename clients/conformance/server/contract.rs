//! Messages of the contract by their names, as JSON and on the wire.

use std::sync::LazyLock;

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
};
use serde_json::Value;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt as _;
use wecomgw::grpc::pb;

/// Bytes before each message: a flag and the length.
const PREFIX: usize = 5;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTORS).unwrap());

/// The method of a path such as `/wecomgw.v1.MessageService/SendMessage`.
pub(crate) fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    service
        .methods()
        .find(|candidate| candidate.name() == method)
}

/// The message of a name without its package.
pub(crate) fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("wecomgw.v1.{name}"))
        .unwrap()
}

pub(crate) fn to_json(message: MessageDescriptor, bytes: &[u8]) -> Value {
    let message = DynamicMessage::decode(message, bytes).unwrap();
    let options = SerializeOptions::new();
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap()
}

pub(crate) fn from_json(message: MessageDescriptor, json: &Value) -> Bytes {
    let message = DynamicMessage::deserialize(message, json)
        .unwrap_or_else(|error| panic!("{error} in {json}"));
    message.encode_to_vec().into()
}

/// `message` with its prefix.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().unwrap());
    frame.put_slice(message);
    frame.freeze()
}

/// The messages in `body`; what is incomplete at its end is left there.
pub(crate) fn messages(body: &mut BytesMut) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while body.len() >= PREFIX {
        let length = u32::from_be_bytes(body[1..PREFIX].try_into().unwrap()) as usize;
        if body.len() < PREFIX + length {
            break;
        }
        messages.push(body.split_to(PREFIX + length).split_off(PREFIX).freeze());
    }
    messages
}

/// One unary call, for the setup of a case.
pub(crate) async fn call(channel: &Channel, path: &str, token: &str, request: &Value) -> Value {
    let method = method(path).unwrap_or_else(|| panic!("no method {path}"));
    let body = frame(&from_json(method.input(), request));
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::new(Full::new(body)))
        .unwrap();
    let response = channel.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let message = messages(&mut BytesMut::from(&body.to_bytes()[..])).pop();
    let message = message.unwrap_or_else(|| panic!("{path}: {:?} {trailers:?}", head.headers));
    to_json(method.output(), &message)
}
