//! The door before the gateway: passes calls on, fails on demand, remembers what it saw.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::ServiceExt as _;

use super::contract;

/// How long what was written may take to leave before a stream is broken.
const FLUSH: Duration = Duration::from_millis(50);
/// How long a client may take to leave a call.
const LEAVE: Duration = Duration::from_secs(3);

/// What goes wrong with calls of one method.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    method: String,
    /// How many calls it hits; all when absent.
    times: Option<u32>,
    #[serde(default)]
    delay_ms: u64,
    /// Answers with this instead of asking the gateway.
    status: Option<Failure>,
    /// Answers with these messages instead of asking the gateway.
    messages: Option<Vec<Value>>,
    /// Answers with this message, which the contract need not know.
    message_hex: Option<String>,
    /// Ends the gateway's answer after so many messages.
    cut_after: Option<usize>,
    /// How `messages` or `cut_after` end.
    #[serde(default)]
    end: End,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    #[default]
    Ok,
    Unavailable,
    Reset,
    Close,
    /// Not at all: the client has to leave.
    Never,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    code: i32,
    #[serde(default)]
    message: String,
    reason: Option<String>,
    domain: Option<String>,
    retry_after_ms: Option<u64>,
    /// Whether the gateway carries the call out first; only its answer is lost.
    #[serde(default)]
    after_all: bool,
}

impl Fault {
    /// Whether the gateway is not asked.
    fn is_scripted(&self) -> bool {
        self.status.is_some() || self.messages.is_some()
    }
}

impl Failure {
    fn status(&self) -> Status {
        let mut details = ErrorDetails::new();
        if let Some(reason) = &self.reason {
            let domain = self.domain.as_deref().unwrap_or("wecomgw");
            details.set_error_info(reason, domain, HashMap::new());
        }
        if let Some(wait) = self.retry_after_ms {
            details.set_retry_info(Some(Duration::from_millis(wait)));
        }
        let code = Code::from_i32(self.code);
        match self.reason {
            None => Status::new(code, &self.message),
            Some(_) => Status::with_error_details(code, &self.message, details),
        }
    }
}

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    method: String,
    headers: Map<String, Value>,
    requests: Vec<Value>,
    /// Whether the client left before the end.
    pub(crate) cancelled: bool,
}

impl Seen {
    pub(crate) fn to_json(&self) -> Value {
        let deadline = self.headers.get("grpc-timeout").and_then(Value::as_str);
        json!({
            "method": self.method,
            "headers": self.headers,
            "deadline_ms": deadline.and_then(milliseconds),
            "requests": self.requests,
        })
    }
}

/// `grpc-timeout` in milliseconds.
fn milliseconds(timeout: &str) -> Option<u64> {
    let (number, unit) = timeout.split_at(timeout.len().checked_sub(1)?);
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1000,
        "m" => number,
        "u" => number / 1000,
        _ => number / 1_000_000,
    })
}

/// See the module.
#[derive(Default)]
pub(crate) struct Door(Mutex<Case>);

/// What holds for the case under way.
#[derive(Default)]
struct Case {
    gateway: Option<Channel>,
    faults: Vec<Fault>,
    seen: Vec<Seen>,
    /// Tells calls of an earlier case from those of this one.
    number: u64,
}

/// Notes that a call was left, unless it ended first.
struct Leaving {
    door: Arc<Door>,
    case: u64,
    index: usize,
    ended: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut case = self.door.lock();
        if !self.ended
            && case.number == self.case
            && let Some(seen) = case.seen.get_mut(self.index)
        {
            seen.cancelled = true;
        }
    }
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, Case> {
        self.0.lock().unwrap()
    }

    pub(crate) fn begin(&self, gateway: Channel, faults: Vec<Fault>) {
        let mut case = self.lock();
        *case = Case {
            gateway: Some(gateway),
            faults,
            seen: Vec::new(),
            number: case.number + 1,
        };
    }

    /// What was seen; waits for a client that should leave.
    pub(crate) async fn end(&self, leaves: bool) -> Vec<Seen> {
        let left = async {
            while leaves && !self.lock().seen.iter().any(|call| call.cancelled) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(LEAVE, left).await;
        self.lock().seen.clone()
    }

    pub(crate) async fn listen(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
    ) {
        let tls = tls.map(TlsAcceptor::from);
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            // As the gateway does it.
            socket.set_nodelay(true).unwrap();
            let (door, tls) = (Arc::clone(&self), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => door.connection(socket).await,
                    // Whoever comes without a certificate is no caller.
                    Some(tls) => {
                        if let Ok(socket) = tls.accept(socket).await {
                            door.connection(socket).await;
                        }
                    }
                }
            });
        }
    }

    async fn connection(
        self: Arc<Self>,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) {
        let close = CancellationToken::new();
        let token = close.clone();
        let service = hyper::service::service_fn(move |request| {
            let (door, close) = (Arc::clone(&self), token.clone());
            async move { Ok::<_, Infallible>(door.call(request, close).await) }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(socket), service);
        tokio::select! {
            () = close.cancelled() => {}
            _ = connection => {}
        }
    }

    async fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        close: CancellationToken,
    ) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Some(method) = contract::method(&path) else {
            // Reflection, for clients without the contract.
            return self.pass(request.map(Body::new)).await;
        };
        let (mut leaving, fault) = self.note(&path, request.headers());
        let scripted = fault.as_ref().is_some_and(Fault::is_scripted);
        let request = if method.is_client_streaming() && !scripted {
            request.map(Body::new)
        } else {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else {
                return Status::cancelled("the client left").into_http();
            };
            let body = body.to_bytes();
            let messages = contract::messages(&mut BytesMut::from(&body[..]));
            let requests = messages
                .iter()
                .map(|message| contract::to_json(method.input(), message))
                .collect();
            if let Some(seen) = self.lock().seen.get_mut(leaving.index) {
                seen.requests = requests;
            }
            Request::from_parts(head, Body::new(Full::new(body)))
        };
        let Some(fault) = fault else {
            let response = self.pass(request).await;
            if response.body().is_end_stream() {
                leaving.ended = true;
                return response;
            }
            return response.map(|body| watched(frames(body), leaving));
        };
        tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        if let Some(failure) = &fault.status {
            if failure.after_all {
                let (_, body) = self.pass(request).await.into_parts();
                let _ = body.collect().await;
            }
            leaving.ended = true;
            return failure.status().into_http();
        }
        let messages = match (&fault.messages, &fault.message_hex) {
            (Some(messages), _) => messages
                .iter()
                .map(|json| contract::frame(&contract::from_json(method.output(), json)))
                .collect(),
            (None, Some(hex)) => vec![contract::frame(&hex::decode(hex).unwrap())],
            (None, None) => {
                let response = self.pass(request).await;
                return response.map(|body| match fault.cut_after {
                    None => watched(frames(body), leaving),
                    Some(count) => {
                        let frames = first(count, frames(body));
                        watched(frames.chain(ending(fault.end, close)), leaving)
                    }
                });
            }
        };
        let messages = stream::iter(messages).map(|frame| Ok(Frame::data(frame)));
        let answer = messages.chain(ending(fault.end, close));
        Response::builder()
            .header("content-type", "application/grpc")
            .body(watched(answer, leaving))
            .unwrap()
    }

    /// Takes note of a call; gives what goes wrong with it.
    fn note(self: &Arc<Self>, path: &str, headers: &HeaderMap) -> (Leaving, Option<Fault>) {
        let method = path.trim_start_matches("/wecomgw.v1.").to_owned();
        let headers = headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.to_string(), json!(value)))
        });
        let mut case = self.lock();
        let fault = case.faults.iter_mut().find_map(|fault| {
            let hit = fault.method == method && fault.times != Some(0);
            hit.then(|| {
                fault.times = fault.times.map(|times| times - 1);
                fault.clone()
            })
        });
        case.seen.push(Seen {
            method,
            headers: headers.collect(),
            requests: Vec::new(),
            cancelled: false,
        });
        let leaving = Leaving {
            door: Arc::clone(self),
            case: case.number,
            index: case.seen.len() - 1,
            ended: false,
        };
        (leaving, fault)
    }

    async fn pass(&self, request: Request<Body>) -> Response<Body> {
        let Some(gateway) = self.lock().gateway.clone() else {
            return Status::unavailable("no case is under way").into_http();
        };
        match gateway.oneshot(request).await {
            Ok(response) => response,
            Err(error) => Status::from_error(Box::new(error)).into_http(),
        }
    }
}

type Frames = Result<Frame<Bytes>, io::Error>;

/// A body that notes when it is dropped before its end.
fn watched(frames: impl Stream<Item = Frames> + Send + 'static, leaving: Leaving) -> Body {
    let frames = frames.boxed();
    let watched = stream::unfold((frames, leaving), async |(mut frames, mut leaving)| {
        let frame = frames.next().await;
        // What ends the body leaves nothing to wait for.
        leaving.ended = match &frame {
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) | None => true,
        };
        frame.map(|frame| (frame, (frames, leaving)))
    });
    Body::new(StreamBody::new(watched.boxed()))
}

/// What a body gives.
fn frames(body: Body) -> stream::BoxStream<'static, Frames> {
    let frames = stream::unfold(body, async |mut body| {
        let frame = body.frame().await?;
        Some((frame.map_err(io::Error::other), body))
    });
    frames.boxed()
}

/// The first messages of a body.
fn first(
    count: usize,
    frames: stream::BoxStream<'static, Frames>,
) -> impl Stream<Item = Frames> + Send + 'static {
    let messages = frames.scan(BytesMut::new(), |buffer, frame| {
        if let Ok(Ok(data)) = frame.map(Frame::into_data) {
            buffer.extend_from_slice(&data);
        }
        std::future::ready(Some(stream::iter(contract::messages(buffer))))
    });
    messages
        .flatten()
        .take(count)
        .map(|message| Ok(Frame::data(contract::frame(&message))))
}

/// How an answer ends.
fn ending(end: End, close: CancellationToken) -> impl Stream<Item = Frames> + Send + 'static {
    stream::once(async move {
        let trailers = |status: Status| {
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers).unwrap();
            Ok(Frame::trailers(trailers))
        };
        match end {
            End::Ok => trailers(Status::ok("")),
            End::Unavailable => trailers(Status::unavailable("cut")),
            End::Reset => {
                tokio::time::sleep(FLUSH).await;
                Err(io::Error::other("cut"))
            }
            End::Close => {
                tokio::time::sleep(FLUSH).await;
                close.cancel();
                std::future::pending().await
            }
            End::Never => std::future::pending().await,
        }
    })
}
