//! Default deny: every RPC of the contract, called by those who may not.

use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use sha2::Digest as _;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use wecomgw::grpc::pb;

use super::harness::{API_TOKEN, SandboxHandle, Watched, World, details, verdict};

/// Permissions of a caller that may call everything.
const ALL: &str = "\"*\", \"AuthService/GetAccessToken\"";

/// Bytes in, nothing out.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        bytes::Buf::advance(buffer, bytes::Buf::remaining(buffer));
        Ok(Some(()))
    }
}

/// Every RPC that the gateway serves, from the descriptors.
async fn methods(world: &World, authorization: &str) -> Vec<MethodDescriptor> {
    let mut request = Request::new(pb::GetServerInfoRequest {});
    let value = authorization.parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    let info = world.gateway().get_server_info(request).await.unwrap();
    let served = info.into_inner().services;
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(|service| service.methods());
    methods
        .filter(|method| served.contains(&method.parent_service().full_name().to_owned()))
        .collect()
}

/// One call with one message, whatever the RPC is.
pub(crate) async fn call(
    channel: Watched,
    method: &MethodDescriptor,
    authorization: Option<&str>,
    body: Vec<u8>,
) -> Result<(), Status> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut request = Request::new(tokio_stream::once(body));
    if let Some(value) = authorization {
        let value = value.parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    // On the wire all four kinds are one.
    let answer = client
        .streaming(request, path.parse().unwrap(), Raw)
        .await?;
    let mut stream = answer.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

/// A request that names `app` where the message has such a field, in its header else.
fn for_app(message: &MessageDescriptor, app: &str) -> Option<DynamicMessage> {
    let mut request = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let inner = || field.kind().as_message().cloned();
        if field.name() == "app" {
            request.set_field(&field, Value::String(app.to_owned()));
            return Some(request);
        }
        if matches!(field.name(), "header" | "message") && field.supports_presence() {
            let header = for_app(&inner()?, app)?;
            request.set_field(&field, Value::Message(header));
            return Some(request);
        }
    }
    None
}

fn caller(name: &str, credential: &str, permissions: &str, apps: &str) -> String {
    format!(
        "[[callers]]\nname = \"{name}\"\n{credential}\npermissions = [{permissions}]\napps = [{apps}]\napi_paths = [\"agent/get\"]\n"
    )
}

fn token(text: &str) -> String {
    let digest = hex::encode(sha2::Sha256::digest(text));
    format!("token_sha256 = \"{digest}\"")
}

/// An API server: its JWKS, and a token of the service account that ends at `exp`.
fn service_account(exp: u64) -> (String, String) {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": encode(x), "y": encode(y)}]});
    let claims = json!({"iss": "https://cluster", "aud": ["wecomgw"], "sub": "system:serviceaccount:pay:billing", "exp": exp});
    let header = encode(br#"{"alg":"ES256","kid":"k"}"#);
    let message = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let signature = pair.sign(&random, message.as_bytes()).unwrap();
    (
        jwks.to_string(),
        format!("{message}.{}", encode(signature.as_ref())),
    )
}

fn unix_now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn every_rpc_is_closed_to_all_but_those_who_may() {
    let (jwks, expired) = service_account(unix_now() - 61);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, jwks).unwrap();
    let accounts = format!(
        "[service_accounts]\nissuer = \"https://cluster\"\njwks_file = \"{}\"\n",
        file.display()
    );
    let overlay = [
        accounts,
        caller("right", &token(API_TOKEN), ALL, "\"*\""),
        caller("none", &token("without-permission"), "", "\"*\""),
        caller("appless", &token("without-app"), ALL, "\"absent\""),
        caller("pod", "service_account = \"pay/billing\"", "\"*\"", "\"*\""),
    ]
    .concat();
    // An app that nobody has a secret of, for the caller of another app.
    let app = "[[apps]]\nname = \"absent\"\ncorp_id = \"ww1\"\nagent_id = 1\nsecret = \"s\"\n";
    let world = World::start_beside(SandboxHandle::start().await, app, &overlay).await;
    let right = format!("Bearer {API_TOKEN}");
    let expired = format!("Bearer {expired}");
    let methods = methods(&world, &right).await;
    assert!(methods.len() > 30);
    let (mut with_app, mut refusals) = (0, 0);
    for method in &methods {
        let name = method.full_name().to_owned();
        let call = |authorization, body| call(world.channel(), method, authorization, body);
        for authorization in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer wrong"),
            Some("Basic d3JvbmcK"),
            Some(&expired),
        ] {
            let status = call(authorization, Vec::new()).await.unwrap_err();
            let expected = (Code::Unauthenticated, "CALLER_UNKNOWN".to_owned());
            assert_eq!(verdict(&status), expected, "{name} {authorization:?}");
            refusals += 1;
        }
        let status = call(Some("Bearer without-permission"), Vec::new()).await;
        let expected = (Code::PermissionDenied, "CALLER_NOT_PERMITTED".to_owned());
        assert_eq!(verdict(&status.unwrap_err()), expected, "{name}");

        if let Some(request) = for_app(&method.input(), "youxiao") {
            let body = request.encode_to_vec();
            let status = call(Some("Bearer without-app"), body.clone()).await;
            let status = status.unwrap_err();
            let expected = (Code::NotFound, "APP_NOT_FOUND".to_owned());
            assert_eq!(verdict(&status), expected, "{name}");
            with_app += 1;
            // With the right token it comes further than that.
            if let Err(status) = call(Some(&right), body).await {
                let reason = details(&status).0;
                // CallApi's request names no path of WeCom.
                assert!(
                    status.message().contains("api_paths")
                        || !["CALLER_UNKNOWN", "CALLER_NOT_PERMITTED", "APP_NOT_FOUND"]
                            .contains(&reason.as_str()),
                    "{name}: {status:?}"
                );
            }
        }
    }
    assert!(with_app > 25, "{with_app}");
    let metrics = world.metrics().await;
    let counted: usize = metrics
        .lines()
        .filter(|line| line.starts_with("wecomgw_auth_failures_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(counted, refusals, "{metrics}");
    world.stop().await;
}

#[tokio::test]
async fn a_pod_is_let_in_by_its_service_account() {
    let (jwks, good) = service_account(unix_now() + 600);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, jwks).unwrap();
    let overlay = format!(
        "[service_accounts]\nissuer = \"https://cluster\"\njwks_file = \"{}\"\n{}",
        file.display(),
        caller("pod", "service_account = \"pay/billing\"", "\"*\"", "\"*\"")
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let mut request = Request::new(pb::ListAppsRequest {});
    let value = format!("Bearer {good}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    world.gateway().list_apps(request).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn reflection_is_for_callers_and_health_for_everyone() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

    let overlay = caller("a", &token(API_TOKEN), "", "");
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let mut client = ServerReflectionClient::new(world.channel());
    let ask = |authorization: Option<String>| {
        let list = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut request = Request::new(tokio_stream::once(list));
        if let Some(value) = authorization {
            let value = value.parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    };
    let status = client.server_reflection_info(ask(None)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let token = format!("Bearer {API_TOKEN}");
    client
        .server_reflection_info(ask(Some(token)))
        .await
        .unwrap();

    let check = HealthCheckRequest::default();
    HealthClient::new(world.channel())
        .check(check)
        .await
        .unwrap();
    world.stop().await;
}
