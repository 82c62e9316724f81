//! What no generated client would send: bytes that are no message, headers that are none.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tower::{Service as _, ServiceExt as _};
use wecomgw::grpc::pb;

use super::{API_TOKEN, World, arrivals, methods, world};
use crate::harness::{details, text_to, verdict};

/// How deep strings are looked for; a card's choices stand at the sixth level.
const DEEPEST: usize = 7;

/// Field number and bytes, as a length-delimited field.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    prost::encoding::encode_key(
        number,
        prost::encoding::WireType::LengthDelimited,
        &mut encoded,
    );
    prost::encoding::encode_varint(bytes.len() as u64, &mut encoded);
    encoded.extend(bytes);
    encoded
}

/// For each string at any depth of a message: its path, and a message whose only field it is,
/// with bytes that are no UTF-8.
fn broken_strings(message: &MessageDescriptor, depth: usize) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for its in message.fields() {
        let wrap = |bytes: &[u8]| field(its.number(), bytes);
        let name = FieldDescriptor::name(&its);
        match its.kind() {
            Kind::String => found.push((name.to_owned(), wrap(&[0xC3, 0x28]))),
            Kind::Message(inner) if depth < DEEPEST => {
                let inner = broken_strings(&inner, depth + 1).into_iter();
                found.extend(inner.map(|(path, bytes)| (format!("{name}.{path}"), wrap(&bytes))));
            }
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn each_string_of_each_request_must_be_utf8() {
    let world = world().await;
    let mut count = 0;
    for method in methods() {
        for (path, bytes) in broken_strings(&method.input(), 1) {
            let answer = world.rpc_of(&method, vec![bytes], Some(API_TOKEN)).await;
            let expected = (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned());
            assert_eq!(
                verdict(&answer.unwrap_err()),
                expected,
                "{} {path}",
                method.name()
            );
            count += 1;
        }
    }
    assert!(count > 300, "{count} strings: is the contract read?");
    assert_eq!(arrivals(&world).await, 0);
    world.stop().await;
}

fn method(rpc: &str) -> MethodDescriptor {
    methods()
        .into_iter()
        .find(|method| method.name() == rpc)
        .unwrap()
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_mistake() {
    use prost::Message as _;
    let world = world().await;
    let method = method("SendMessage");
    let good = text_to("zhangsan", "hello").encode_to_vec();
    for (name, bytes) in [
        ("tag zero", vec![0, 0, 0]),
        ("truncated", good[..good.len() - 3].to_vec()),
        ("wrong wire type", vec![0x0D, 1, 2, 3, 4]),
        ("endless varint", [&[0x20][..], &[0xFF; 11]].concat()),
        (
            "length beyond the end",
            vec![0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        ),
        ("group that never ends", vec![0x0B; 200]),
    ] {
        let answer = world.rpc_of(&method, vec![bytes], Some(API_TOKEN)).await;
        let expected = (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned());
        assert_eq!(verdict(&answer.unwrap_err()), expected, "{name}");
    }
    let too_large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
    let large = vec![vec![0x0A; 6 * 1024 * 1024]];
    let answer = world.rpc_of(&method, large, Some(API_TOKEN)).await;
    assert_eq!(verdict(&answer.unwrap_err()), too_large);
    assert_eq!(arrivals(&world).await, 0);
    world.stop().await;
    // A message that grows when it is inflated.
    let world = World::start().await;
    let bomb = pb::SendMessageRequest {
        app: "a".repeat(8 * 1024 * 1024),
        ..Default::default()
    };
    let mut client = world.messages().send_compressed(CompressionEncoding::Gzip);
    let status = client.send_message(bomb).await.unwrap_err();
    assert_eq!(verdict(&status), too_large);
    assert_eq!(arrivals(&world).await, 0);
    world.stop().await;
}

/// A call of SendMessage made by hand: headers beside the usual ones, and the body. Gives the
/// HTTP status and, where there is one, the gRPC status.
async fn call(world: &World, headers: &[(&str, &str)], body: Body) -> (u16, Option<Status>) {
    let mut request = http::Request::post(format!(
        "{}/wecomgw.v1.MessageService/SendMessage",
        world.grpc
    ));
    let given = |name: &str| headers.iter().any(|(given, _)| *given == name);
    let bearer = format!("Bearer {API_TOKEN}");
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", &bearer),
    ] {
        if !given(name) {
            request = request.header(name, value);
        }
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut channel = world.channel();
    let channel = channel.ready().await.unwrap();
    let response = channel.call(request.body(body).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let trailers: HeaderMap = match body.collect().await {
        Ok(body) => body.trailers().cloned().unwrap_or_default(),
        Err(status) => return (head.status.as_u16(), Some(status)),
    };
    let status =
        Status::from_header_map(&head.headers).or_else(|| Status::from_header_map(&trailers));
    (head.status.as_u16(), status)
}

/// One gRPC frame: flag, length as it is said to be, bytes.
fn frame(flag: u8, length: u32, bytes: &[u8]) -> Body {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(length);
    frame.put_slice(bytes);
    Body::new(Full::new(frame.freeze()))
}

/// A request that breaks a rule, so that nothing is sent whatever else is taken.
fn bad_text() -> Body {
    frame(0, 9, &field(1, super::APP.as_bytes()))
}

/// A name, headers, a body; the HTTP status and the gRPC code that must come of them.
type ByHand<'a> = (&'a str, Vec<(&'a str, &'a str)>, Body, u16, Code);

#[tokio::test]
async fn frames_and_headers_that_are_none_are_refused() {
    let world = world().await;
    let long = "x".repeat(20_000);
    let rows: Vec<ByHand<'_>> = vec![
        (
            "a length of 4 GiB",
            vec![],
            frame(0, u32::MAX, b"abc"),
            200,
            Code::ResourceExhausted,
        ),
        (
            "a frame cut short",
            vec![],
            frame(0, 100, b"abc"),
            200,
            Code::InvalidArgument,
        ),
        (
            "no frame at all",
            vec![],
            Body::empty(),
            200,
            Code::InvalidArgument,
        ),
        (
            "a flag that is none",
            vec![],
            frame(7, 3, b"abc"),
            200,
            Code::InvalidArgument,
        ),
        (
            "compressed without saying how",
            vec![],
            frame(1, 3, b"abc"),
            200,
            Code::InvalidArgument,
        ),
        (
            "an unknown compression",
            vec![("grpc-encoding", "lzw")],
            frame(1, 3, b"abc"),
            200,
            Code::Unimplemented,
        ),
        (
            "gzip that is none",
            vec![("grpc-encoding", "gzip")],
            frame(1, 3, b"abc"),
            200,
            Code::InvalidArgument,
        ),
        (
            "no gRPC",
            vec![("content-type", "text/plain")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "a timeout of no unit",
            vec![("grpc-timeout", "5")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "a timeout of letters",
            vec![("grpc-timeout", "soon")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "a negative timeout",
            vec![("grpc-timeout", "-1S")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "a timeout of nine digits",
            vec![("grpc-timeout", "123456789H")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "the longest timeout",
            vec![("grpc-timeout", "99999999H")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "two timeouts",
            vec![("grpc-timeout", "1H"), ("grpc-timeout", "0n")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "a bad token before a good one",
            vec![("authorization", "Bearer x"), ("authorization", "Bearer y")],
            bad_text(),
            200,
            Code::Unauthenticated,
        ),
        (
            "a key twice",
            vec![("x-note", "a"), ("x-note", "b")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "binary metadata that is no Base64",
            vec![("x-note-bin", "%%%")],
            bad_text(),
            200,
            Code::InvalidArgument,
        ),
        (
            "a key of 20 kB",
            vec![("x-note", &long)],
            bad_text(),
            431,
            Code::Unknown,
        ),
    ];
    let mut failures = Vec::new();
    for (name, headers, body, http, code) in rows {
        let (met, status) = call(&world, &headers, body).await;
        let met_code = status.as_ref().map_or(Code::Unknown, Status::code);
        if (met, met_code) != (http, code) {
            failures.push(format!(
                "{name}: {met} {status:?}, expected {http} {code:?}"
            ));
        }
    }
    // 200 keys fit; the call is judged as any other.
    let names: Vec<String> = (0..200).map(|number| format!("x-key-{number}")).collect();
    let keys: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "v")).collect();
    let (http, status) = call(&world, &keys, bad_text()).await;
    if (http, status.as_ref().map(Status::code)) != (200, Some(Code::InvalidArgument)) {
        failures.push(format!("200 keys: {http} {status:?}"));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(arrivals(&world).await, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_bulk_upload_that_never_ends_ends_at_its_deadline() {
    let world = World::start().await;
    let header = pb::BulkHeader {
        app: super::APP.to_owned(),
        ..Default::default()
    };
    let header = pb::SendBulkRequest {
        part: Some(pb::send_bulk_request::Part::Header(header)),
    };
    let silent =
        futures_util::StreamExt::chain(tokio_stream::once(header), futures_util::stream::pending());
    let mut request = tonic::Request::new(silent);
    request.set_timeout(Duration::from_millis(300));
    let status = world.bulk().send_bulk(request).await.unwrap_err();
    assert_eq!(details(&status).0, "DEADLINE_EXCEEDED");
    assert_eq!(arrivals(&world).await, 0);
    world.stop().await;
}
