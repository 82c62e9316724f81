//! What stands between the listener and the handlers: who calls, and the record of what
//! was done.
//!
//! One `tower` layer inside of [`super::observe`]. It finds the caller of every RPC of the
//! contract, so that no handler can forget to ask; the handlers ask whether the caller may
//! call this RPC and use this app ([`super::caller`]). Health is for everyone; reflection
//! for every caller.

mod audit;
mod body;
mod future;
mod limits;
mod method;
mod metrics;
#[cfg(test)]
mod tests;
mod trace;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request};
use opentelemetry_sdk::trace::SdkTracer;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};
use tower::Service;

use super::caller::{self, Callers};
use super::server::Peer;
use super::status;
use crate::access::{self, Caller};
use crate::wecom::Client;
use audit::Entry;
use limits::{Admission, Kind};
use method::{Door, Methods};

pub use body::Body;
pub use future::Passage;
pub use limits::Limits;
pub use metrics::Metrics;

/// How long before its deadline a call is ended: half of what handlers keep back.
const LATE_MARGIN: Duration = Duration::from_millis(25);

/// Puts [`Gate`] around a service.
#[derive(Clone)]
pub struct Layer(Arc<Inner>);

struct Inner {
    callers: Callers,
    methods: Methods,
    admission: Arc<Admission>,
    metrics: Metrics,
    tracer: Option<SdkTracer>,
}

/// A call that has passed: who calls, and what its handler finds out for the record.
pub(super) struct Call {
    pub(super) caller: Arc<Caller>,
    app: OnceLock<Client>,
    job: OnceLock<String>,
}

impl Call {
    fn new(caller: Arc<Caller>) -> Arc<Self> {
        Arc::new(Self {
            caller,
            app: OnceLock::new(),
            job: OnceLock::new(),
        })
    }

    /// Takes note of the app; of the first, where there are several.
    pub(super) fn note_app(&self, app: &Client) {
        self.app.get_or_init(|| app.clone());
    }

    /// Takes note of the job that the call makes or changes.
    pub(super) fn note_job(&self, job_id: &str) {
        self.job.get_or_init(|| job_id.to_owned());
    }
}

impl Layer {
    /// A layer for these callers; what may be called stands in `descriptors`, and spans are
    /// made with `tracer` if there is one.
    #[must_use]
    pub fn new(
        callers: Callers,
        descriptors: &FileDescriptorSet,
        limits: Limits,
        metrics: Metrics,
        tracer: Option<SdkTracer>,
    ) -> Self {
        Self(Arc::new(Inner {
            admission: Admission::new(limits, callers.count()),
            callers,
            methods: Methods::new(descriptors),
            metrics,
            tracer,
        }))
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            gate: self.clone(),
            inner,
        }
    }
}

/// A service whose callers are known.
#[derive(Clone)]
pub struct Gate<S> {
    gate: Layer,
    inner: S,
}

impl Layer {
    /// Lets a call pass, or says why not; the entry is for the record either way.
    fn enter<R>(&self, request: &mut Request<R>) -> (Box<Entry>, Result<(), Status>) {
        let Some(method) = self.0.methods.find(request.uri().path()) else {
            // No RPC of ours: the router says so to everyone.
            return (Entry::none(), Ok(()));
        };
        let peer = request.extensions().get::<Peer>();
        let mut entry = Entry::new(method, peer, time(request.headers(), method.kind));
        if method.door == Door::Open {
            return (entry, Ok(()));
        }
        if !is_grpc(request.headers()) {
            let message = "content-type must begin with application/grpc";
            return (
                entry,
                Err(status::unreadable(Code::InvalidArgument, message)),
            );
        }
        entry.trace = trace::begin(self.0.tracer.as_ref(), method, request.headers());
        let names = peer.map_or(&[][..], |peer| &peer.names);
        let authorization = request.headers().get(http::header::AUTHORIZATION);
        // What is no text is no token: refused as one, not ignored.
        let authorization = authorization.map(|value| value.to_str().unwrap_or_default());
        let caller = self.0.callers.identify(authorization, names);
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => return (entry, Err(self.refused(error))),
        };
        let call = Call::new(caller);
        entry.call = Some(call.clone());
        let place = self.0.admission.enter(method.kind, call.caller.index());
        match place {
            Ok(permit) => entry.permit = Some(permit),
            Err(shed) => {
                self.0.metrics.shed(shed.reason);
                return (
                    entry,
                    Err(status::overloaded(shed.message(), shed.retry_after)),
                );
            }
        }
        request.extensions_mut().insert(call);
        (entry, Ok(()))
    }

    fn refused(&self, error: access::Error) -> Status {
        self.0.metrics.refused(error);
        status::access(error)
    }
}

/// Whether a request says that it is one of gRPC. tonic does not ask; a page in a browser that
/// holds a client certificate can send anything else to another site without its consent
/// (<https://fetch.spec.whatwg.org/#cors-safelisted-request-header>, read 2026-11-24).
fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(http::header::CONTENT_TYPE);
    value.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// How long a call may take, whatever its handler does: a unary one in any case, a stream when its
/// caller says so. A little earlier than that, so that the caller still hears of it, and
/// later than the handlers' own deadline, which knows more of what was done.
fn time(headers: &HeaderMap, kind: Kind) -> Option<Duration> {
    let asked = caller::asked_time(headers);
    let time = match kind {
        Kind::Unary => Some(caller::unary_time(asked)),
        Kind::Stream => asked,
    }?;
    Some(time.saturating_sub(LATE_MARGIN))
}

impl<S, B, R> Service<Request<R>> for Gate<S>
where
    S: Service<Request<R>, Response = http::Response<B>, Error = Infallible>,
{
    type Response = http::Response<Body<B>>;
    type Error = Infallible;
    type Future = Passage<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<R>) -> Passage<S::Future> {
        match self.gate.enter(&mut request) {
            (entry, Ok(())) => Passage::open(self.inner.call(request), entry),
            (entry, Err(status)) => Passage::shut(status, entry),
        }
    }
}
