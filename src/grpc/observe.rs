//! What the process sees of each call: its duration and status, panics, and a repair of the codes
//! tonic gives for a client's mistakes.
//!
//! One `tower` layer around the routes, outermost. It boxes nothing and allocates nothing for its
//! labels, because every call pays for it.

mod body;
mod future;
mod metrics;
mod mistake;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::Service;

use metrics::Measure;

pub use body::Body;
pub use future::Call;
pub use metrics::Metrics;
pub(super) use metrics::code_name;

/// Puts [`Observe`] around a service.
#[derive(Debug, Clone)]
pub struct Layer {
    metrics: Metrics,
}

impl Layer {
    /// A layer that counts into `metrics`.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe {
            metrics: self.metrics.clone(),
            inner,
        }
    }
}

/// A service whose calls are measured, whose panics are caught, and whose codes are repaired.
#[derive(Debug, Clone)]
pub struct Observe<S> {
    metrics: Metrics,
    inner: S,
}

impl<S, B, R> Service<Request<R>> for Observe<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Body<B>>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Call<S::Future> {
        let measure = Measure::start(&self.metrics, request.uri().path());
        // A panic leaves nothing behind that a later call could see: state that calls share sits
        // behind locks that say when they are poisoned.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => Call::running(future, measure),
            Err(panic) => Call::panicked(&*panic, measure),
        }
    }
}
