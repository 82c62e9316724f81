//! How the generated services make their calls.

use std::error::Error;
use std::iter;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, TimeoutExpired};

use crate::{Client, GatewayError, v1};

/// What is said of a call that its connection did not take or did not bring back.
const GONE: &str = "the connection went away";
const PASSED: &str = "the deadline passed";
/// The units of `grpc-timeout`, and what they are in seconds.
const UNITS: &str = "HMSmun";
const SECONDS: [f64; 6] = [3600.0, 60.0, 1.0, 1e-3, 1e-6, 1e-9];

impl Client {
    /// Makes a call within its deadline, again where that is `safe`, with the id that was sent.
    pub(crate) async fn unary<Q: Clone, A, F: Future<Output = Result<A, Status>>>(
        &self,
        request: Request<Q>,
        request_id: String,
        safe: bool,
        call: impl Fn(Grpc<Channel>, Request<Q>) -> F,
    ) -> Result<A, GatewayError> {
        let (metadata, extensions, message) = request.into_parts();
        let deadline = Instant::now() + timeout(&metadata).unwrap_or(self.timeout);
        let attempts = async {
            let mut attempt = 0;
            loop {
                let (metadata, extensions) = (metadata.clone(), extensions.clone());
                let mut request = Request::from_parts(metadata, extensions, message.clone());
                request.set_timeout(deadline.saturating_duration_since(Instant::now()));
                let answer = self.once(request, &call).await;
                attempt += 1;
                let calm = self.count(&answer) < v1::TOKENS / 2.0;
                let lost = matches!(&answer, Err(status) if status.code() == Code::Unavailable);
                if !(lost && safe && self.retry && calm && attempt < v1::ATTEMPTS) {
                    return answer;
                }
                tokio::time::sleep(wait(attempt)).await;
            }
        };
        let answer = tokio::time::timeout_at(deadline, attempts).await;
        let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded(PASSED)));
        answer.map_err(|status| {
            let mut error = GatewayError::from(status);
            error.retryable |= safe && error.code == Code::Unavailable;
            error.request_id = request_id;
            error
        })
    }

    /// Makes a call once, with the headers of every call.
    pub(crate) async fn once<R, A, F: Future<Output = Result<A, Status>>>(
        &self,
        mut request: Request<R>,
        call: impl FnOnce(Grpc<Channel>, Request<R>) -> F,
    ) -> Result<A, Status> {
        let headers = request.metadata_mut().as_mut();
        headers.extend(self.headers.clone());
        let mut grpc = Grpc::new(self.channel.clone());
        let ready = grpc.ready().await;
        ready.map_err(|error| told(Status::from_error(error.into())))?;
        call(grpc, request).await.map_err(told)
    }

    /// Counts how an attempt ended, and gives the failures so far.
    fn count<A>(&self, answer: &Result<A, Status>) -> f64 {
        let mut count = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let more = match answer {
            Ok(_) => -v1::TOKEN_RATIO,
            // A drain makes all calls at once lose their connection; gRPC counts none of them.
            Err(lost) if lost.code() == Code::Unavailable && lost.message() != GONE => 1.0,
            Err(_) => 0.0,
        };
        *count = (*count + more).clamp(0.0, v1::TOKENS);
        *count
    }
}

/// A random wait before another attempt.
pub(crate) fn wait(attempt: i32) -> Duration {
    let bound = v1::FIRST_WAIT_SECONDS * v1::MULTIPLIER.powi(attempt - 1);
    Duration::from_secs_f64(fastrand::f64() * bound.min(v1::LONGEST_WAIT_SECONDS))
}

/// The deadline that the caller gave by [`Request::set_timeout`].
fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let value = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let seconds = number.parse::<f64>().ok()? * SECONDS[UNITS.find(unit)?];
    Duration::try_from_secs_f64(seconds).ok()
}

/// tonic tells a deadline that passed as a cancellation, and also that a connection was told to go
/// before the call was sent on it; of one that broke it knows nothing, and of one that left the call
/// out as it went it tells INTERNAL. What the gateway says has no source.
fn told(status: Status) -> Status {
    let mut sources = iter::successors(status.source(), |&error| error.source());
    let passed = sources.any(|error| error.is::<TimeoutExpired>());
    match status.code() {
        _ if passed => Status::deadline_exceeded(PASSED),
        _ if status.source().is_none() => status,
        Code::Cancelled | Code::Unknown | Code::Internal => Status::unavailable(GONE),
        _ => status,
    }
}

/// Fills a request_id in where there is none.
pub(crate) fn identified(request_id: &mut String) -> String {
    if request_id.is_empty() {
        *request_id = uuid::Uuid::new_v4().to_string();
    }
    request_id.clone()
}
