//! A channel that adds to each call what every call needs.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tonic::{Code, Status, TimeoutExpired};
use tower::{Service, ServiceExt as _};

use crate::error::{REPEATABLE, REQUEST_ID};
use crate::v1;

/// What is said of a call that its connection did not take or did not bring back.
const GONE: &str = "the connection went away";
const TIMEOUT: &str = "grpc-timeout";
/// Bytes before a message: a flag and the length.
const PREFIX: usize = 5;
/// The units of `grpc-timeout`, and what they are in seconds.
const UNITS: &str = "HMSmun";
const SECONDS: [f64; 6] = [3600.0, 60.0, 1.0, 1e-3, 1e-6, 1e-9];

/// A random wait before another attempt.
pub(crate) fn wait(attempt: u64) -> Duration {
    let exponent = i32::try_from(attempt).unwrap_or(i32::MAX).saturating_sub(1);
    let bound = v1::FIRST_WAIT_SECONDS * v1::MULTIPLIER.powi(exponent);
    Duration::from_secs_f64(fastrand::f64() * bound.min(v1::LONGEST_WAIT_SECONDS))
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
        request.headers_mut().extend(this.headers.clone());
        Box::pin(async move {
            let path = request.uri().path();
            let repeatable = v1::REPEATABLE.contains(&path);
            let answer = if repeatable || v1::ONCE.contains(&path) {
                this.unary(request, repeatable).await
            } else {
                this.inner.oneshot(request).await.map_err(to_status)
            };
            Ok(answer.unwrap_or_else(Status::into_http))
        })
    }
}

impl Through {
    async fn unary(self, request: Request<Body>, safe: bool) -> Result<Response<Body>, Status> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let (body, id) = v1::with_request_id(head.uri.path(), body);
        let timeout = head.headers.get(TIMEOUT).and_then(duration);
        let deadline = Instant::now() + timeout.unwrap_or(self.timeout);
        let attempts = async {
            let mut attempt = 0;
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                let left = HeaderValue::try_from(format!("{}m", left.as_millis()));
                head.headers.insert(TIMEOUT, left.expect("digits and a letter"));
                let body = Body::new(Full::new(body.clone()));
                let answer = self.attempt(Request::from_parts(head.clone(), body)).await;
                attempt += 1;
                let calm = self.count(&answer) < v1::TOKENS / 2.0;
                let lost = answer.as_ref().is_err_and(|status| status.code() == Code::Unavailable);
                if !(lost && safe && self.retry && calm && attempt < v1::ATTEMPTS) {
                    return answer;
                }
                tokio::time::sleep(wait(attempt)).await;
            }
        };
        let passed = |_| Err(Status::deadline_exceeded("the deadline passed"));
        let answer = tokio::time::timeout_at(deadline, attempts).await;
        answer.unwrap_or_else(passed).map_err(|mut status| {
            for (name, value) in
                [(REQUEST_ID, id.as_str()), (REPEATABLE, if safe { "1" } else { "" })]
            {
                if let Ok(value) = value.parse() {
                    status.metadata_mut().insert(name, value);
                }
            }
            status
        })
    }

    /// One attempt, with its whole answer.
    async fn attempt(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let response = self.inner.clone().oneshot(request).await;
        let (head, body) = response.map_err(to_status)?.into_parts();
        let body = body.collect().await?;
        let found = Status::from_header_map(&head.headers)
            .or_else(|| Status::from_header_map(body.trailers()?));
        match found {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(Response::from_parts(head, Body::new(body))),
        }
    }

    /// Counts how an attempt ended, and gives the failures so far.
    fn count(&self, answer: &Result<Response<Body>, Status>) -> f64 {
        let mut count = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let more = match answer {
            Ok(_) => -v1::TOKEN_RATIO,
            // A drain does it to all calls at once; gRPC does not count these either.
            Err(status) if status.message() == GONE => 0.0,
            Err(status) if status.code() == Code::Unavailable => 1.0,
            Err(_) => 0.0,
        };
        *count = (*count + more).clamp(0.0, v1::TOKENS);
        *count
    }
}

/// A message with a request_id.
pub(crate) trait HasRequestId: Message + Default {
    fn request_id(&mut self) -> &mut String;
}

/// The body of a call, with a request_id, and that id.
pub(crate) fn fill<M: HasRequestId>(body: Bytes) -> (Bytes, String) {
    let plain = body.first() == Some(&0) && body.len() >= PREFIX;
    let Some(Ok(mut message)) = plain.then(|| M::decode(&body[PREFIX..])) else {
        return (body, String::new());
    };
    if !message.request_id().is_empty() {
        return (body, message.request_id().clone());
    }
    *message.request_id() = uuid::Uuid::new_v4().to_string();
    let encoded = message.encode_to_vec();
    let mut filled = BytesMut::with_capacity(PREFIX + encoded.len());
    filled.put_u8(0);
    // What is longer than 4 GiB could not be framed before either.
    filled.put_u32(u32::try_from(encoded.len()).unwrap_or(u32::MAX));
    filled.put(encoded.as_slice());
    (filled.freeze(), message.request_id().clone())
}

/// tonic tells a deadline that passed as a cancellation, and also that a connection was told to go
/// before the call was sent on it; of one that broke it knows nothing.
fn to_status(error: Error) -> Status {
    let passed = error.source().is_some_and(|cause| cause.is::<TimeoutExpired>());
    let status = Status::from_error(Box::new(error));
    match status.code() {
        _ if passed => Status::deadline_exceeded("the deadline passed"),
        Code::Cancelled | Code::Unknown => Status::unavailable(GONE),
        _ => status,
    }
}

/// What `grpc-timeout` says.
fn duration(value: &HeaderValue) -> Option<Duration> {
    let value = value.to_str().ok()?;
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let seconds = number.parse::<f64>().ok()? * SECONDS[UNITS.find(unit)?];
    Duration::try_from_secs_f64(seconds).ok()
}
