//! Any RPC by its name, JSON in and JSON out, as `grpcurl` calls it: for tests that go
//! through every RPC or whole folders of requests.

use prost_reflect::prost::Message as _;
use prost_reflect::prost::bytes::{Buf as _, BufMut as _};
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
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(|service| service.methods());
    methods.collect()
}

impl World {
    /// The replies to `requests`: one of each, unless a side streams.
    pub(crate) async fn rpc(&self, rpc: &str, requests: &[Value]) -> Result<Vec<Value>, Status> {
        let found = methods().into_iter().find(|method| method.name() == rpc);
        let method = found.unwrap_or_else(|| panic!("no RPC {rpc}"));
        let requests = requests.iter().map(|json| {
            DynamicMessage::deserialize(method.input(), json)
                .unwrap_or_else(|error| panic!("{error} in {json}"))
                .encode_to_vec()
        });
        self.rpc_of(&method, requests.collect(), Some(API_TOKEN))
            .await
    }

    /// The replies to messages of any bytes, as a caller of `token`.
    pub(crate) async fn rpc_of(
        &self,
        method: &MethodDescriptor,
        messages: Vec<Vec<u8>>,
        token: Option<&str>,
    ) -> Result<Vec<Value>, Status> {
        let mut request = Request::new(tokio_stream::iter(messages));
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let mut client = tonic::client::Grpc::new(self.channel());
        client.ready().await.unwrap();
        let codec = Json(method.output());
        let reply = client.streaming(request, path.parse().unwrap(), codec);
        let mut stream = reply.await?.into_inner();
        let mut replies = Vec::new();
        while let Some(reply) = stream.message().await? {
            replies.push(reply);
        }
        Ok(replies)
    }
}

/// Writes any bytes; reads messages of one kind.
#[derive(Clone)]
struct Json(MessageDescriptor);

impl Codec for Json {
    type Encode = Vec<u8>;
    type Decode = Value;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Json {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message.as_slice());
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
