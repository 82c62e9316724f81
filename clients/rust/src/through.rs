//! A channel that adds to each call what every call needs.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use serde_json::Value;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};

use crate::error::{REPEATABLE, REQUEST_ID};
use crate::v1::SendMessageRequest;

const TIMEOUT: &str = "grpc-timeout";
/// Bytes before a message: a flag and the length.
const PREFIX: usize = 5;
/// The one method whose request takes a request_id.
const SEND_MESSAGE: &str = "/wecomgw.v1.MessageService/SendMessage";

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::read);

/// `gen/policy.json`, as far as it is read here.
struct Policy {
    repeatable: HashSet<String>,
    once: HashSet<String>,
    attempts: u64,
    tokens: f64,
    token_ratio: f64,
    first_wait: f64,
    longest_wait: f64,
    multiplier: f64,
}

impl Policy {
    fn read() -> Self {
        let policy: Value = serde_json::from_str(include_str!("gen/policy.json"))
            .expect("generated, and read by every test");
        let methods = |index: usize| {
            let names = policy["methodConfig"][index]["name"].as_array();
            let path = |name: &Value| {
                let text = |key: &str| name[key].as_str().unwrap_or_default().to_owned();
                format!("/{}/{}", text("service"), text("method"))
            };
            names.into_iter().flatten().map(path).collect()
        };
        let retry = &policy["methodConfig"][0]["retryPolicy"];
        let seconds = |key: &str| {
            let text = retry[key].as_str().unwrap_or_default();
            text.trim_end_matches('s').parse().unwrap_or_default()
        };
        Self {
            repeatable: methods(0),
            once: methods(1),
            attempts: retry["maxAttempts"].as_u64().unwrap_or(1),
            tokens: policy["retryThrottling"]["maxTokens"]
                .as_f64()
                .unwrap_or_default(),
            token_ratio: policy["retryThrottling"]["tokenRatio"]
                .as_f64()
                .unwrap_or_default(),
            first_wait: seconds("initialBackoff"),
            longest_wait: seconds("maxBackoff"),
            multiplier: retry["backoffMultiplier"].as_f64().unwrap_or(1.0),
        }
    }
}

/// A random wait before another attempt.
pub(crate) fn wait(attempt: u64) -> Duration {
    let exponent = i32::try_from(attempt).unwrap_or(i32::MAX).saturating_sub(1);
    let bound = POLICY.first_wait * POLICY.multiplier.powi(exponent);
    Duration::from_secs_f64(fastrand::f64() * bound.min(POLICY.longest_wait))
}

/// The channel of the stubs.
#[derive(Clone, Debug)]
pub struct Through {
    pub(crate) inner: Channel,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) retry: bool,
    /// How many failures were counted lately, as gRPC's retry throttling does.
    pub(crate) failures: Arc<Mutex<f64>>,
}

impl Service<Request<Body>> for Through {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Each attempt waits for the channel itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            for (name, value) in &this.headers {
                request.headers_mut().insert(name, value.clone());
            }
            let path = request.uri().path();
            let repeatable = POLICY.repeatable.contains(path);
            if repeatable || POLICY.once.contains(path) {
                let status = match this.unary(request, repeatable).await {
                    Ok(response) => return Ok(response),
                    Err(status) => status,
                };
                return Ok(status.into_http());
            }
            match this.inner.oneshot(request).await {
                Ok(response) => Ok(response),
                Err(error) => Ok(to_status(error).into_http()),
            }
        })
    }
}

impl Through {
    async fn unary(
        self,
        request: Request<Body>,
        repeatable: bool,
    ) -> Result<Response<Body>, Status> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let (body, id) = with_request_id(head.uri.path(), body);
        let timeout = head.headers.get(TIMEOUT).and_then(duration);
        let deadline = Instant::now() + timeout.unwrap_or(self.timeout);
        let mut attempt = 1;
        loop {
            let left = deadline
                .saturating_duration_since(Instant::now())
                .as_millis();
            let value = HeaderValue::try_from(format!("{left}m")).expect("digits and a letter");
            head.headers.insert(TIMEOUT, value);
            let request = Request::from_parts(head.clone(), Body::new(Full::new(body.clone())));
            let answer = tokio::time::timeout_at(deadline, self.attempt(request)).await;
            let expired = |_| Err(Status::deadline_exceeded("the deadline passed"));
            let mut status = match answer.unwrap_or_else(expired) {
                Ok(response) => {
                    self.count(-POLICY.token_ratio);
                    return Ok(response);
                }
                Err(status) => status,
            };
            let away = status.code() == Code::Unavailable;
            let failures = self.count(if away { 1.0 } else { 0.0 });
            let calm = failures < POLICY.tokens / 2.0;
            if !(self.retry && repeatable && away && calm && attempt < POLICY.attempts) {
                if let Ok(id) = id.parse() {
                    status.metadata_mut().insert(REQUEST_ID, id);
                }
                if repeatable && let Ok(mark) = "1".parse() {
                    status.metadata_mut().insert(REPEATABLE, mark);
                }
                return Err(status);
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + wait(attempt))).await;
            attempt += 1;
        }
    }

    /// One attempt, with its whole answer.
    async fn attempt(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let response = self
            .inner
            .clone()
            .oneshot(request)
            .await
            .map_err(to_status)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let found = Status::from_header_map(&head.headers)
            .or_else(|| Status::from_header_map(body.trailers()?));
        match found {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(Response::from_parts(head, Body::new(body))),
        }
    }

    fn count(&self, failures: f64) -> f64 {
        let mut count = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *count = (*count + failures).clamp(0.0, POLICY.tokens);
        *count
    }
}

/// The body, with a request_id where it should have one, and that id.
fn with_request_id(path: &str, body: Bytes) -> (Bytes, String) {
    if path != SEND_MESSAGE || body.len() < PREFIX || body[0] != 0 {
        return (body, String::new());
    }
    let Ok(mut message) = SendMessageRequest::decode(body.slice(PREFIX..)) else {
        return (body, String::new());
    };
    if !message.request_id.is_empty() {
        return (body, message.request_id);
    }
    message.request_id = uuid::Uuid::new_v4().to_string();
    let mut filled = BytesMut::with_capacity(PREFIX + message.encoded_len());
    filled.put_u8(0);
    // What is longer than 4 GiB could not be framed before either.
    filled.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    filled.put(message.encode_to_vec().as_slice());
    (filled.freeze(), message.request_id)
}

/// tonic tells a deadline that passed as a cancellation.
fn to_status(error: Error) -> Status {
    let status = Status::from_error(Box::new(error));
    match status.code() {
        Code::Cancelled => Status::deadline_exceeded("the deadline passed"),
        _ => status,
    }
}

/// What `grpc-timeout` says.
fn duration(value: &HeaderValue) -> Option<Duration> {
    let (number, unit) = value.to_str().ok()?.split_at_checked(value.len() - 1)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        _ => Duration::from_nanos(number),
    })
}
