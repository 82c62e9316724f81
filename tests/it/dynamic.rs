//! Any RPC by its name, JSON in and JSON out, as `grpcurl` calls it: for tests that go
//! through whole folders of requests.

use prost_reflect::prost::Message as _;
use prost_reflect::prost::bytes::{Buf, BufMut};
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
};
use serde_json::Value;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use wecomgw::grpc::pb;

use super::harness::{API_TOKEN, World};

/// Every RPC of the contract.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let services = pool.services().collect::<Vec<_>>();
    services
        .iter()
        .flat_map(|service| service.methods())
        .collect()
}

pub(crate) fn method(rpc: &str) -> MethodDescriptor {
    let found = methods().into_iter().find(|method| method.name() == rpc);
    found.unwrap_or_else(|| panic!("no RPC {rpc}"))
}

fn message(descriptor: MessageDescriptor, json: &Value) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor, json)
        .unwrap_or_else(|error| panic!("{error} in {json}"))
}

impl World {
    /// The replies to `requests`: one of each, unless a side streams.
    pub(crate) async fn rpc(&self, rpc: &str, requests: &[Value]) -> Result<Vec<Value>, Status> {
        let method = method(rpc);
        let input = requests.iter().map(|json| message(method.input(), json));
        let mut request = Request::new(tokio_stream::iter(input.collect::<Vec<_>>()));
        let token = format!("Bearer {API_TOKEN}").parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        let path = format!("/{}/{rpc}", method.parent_service().full_name());
        let mut client = tonic::client::Grpc::new(self.channel());
        client.ready().await.unwrap();
        let codec = Json(method.output());
        let reply = client
            .streaming(request, path.parse().unwrap(), codec)
            .await;
        let mut stream = reply?.into_inner();
        let mut replies = Vec::new();
        while let Some(reply) = stream.message().await? {
            replies.push(reply);
        }
        Ok(replies)
    }
}

/// Writes any message; reads those of one kind.
struct Json(MessageDescriptor);

impl Codec for Json {
    type Encode = DynamicMessage;
    type Decode = Value;
    type Encoder = Write;
    type Decoder = Self;

    fn encoder(&mut self) -> Write {
        Write
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

struct Write;

impl Encoder for Write {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(
        &mut self,
        message: DynamicMessage,
        buffer: &mut EncodeBuf<'_>,
    ) -> Result<(), Status> {
        buffer.put(message.encode_to_vec().as_slice());
        Ok(())
    }
}

impl Decoder for Json {
    type Item = Value;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Value>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let message = DynamicMessage::decode(self.0.clone(), bytes).unwrap();
        let options = SerializeOptions::new().use_proto_field_name(true);
        let json = message.serialize_with_options(serde_json::value::Serializer, &options);
        Ok(Some(json.unwrap()))
    }
}
