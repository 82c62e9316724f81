//! A call until its response begins.

use std::{
    any::Any,
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tonic::Status;

use super::{body::Body, metrics::Measure, mistake};
use crate::grpc::status;

pin_project! {
    /// The future of an observed call.
    #[derive(Debug)]
    pub struct Call<F> {
        #[pin]
        state: State<F>,
        measure: Option<Measure>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Running { #[pin] future: F },
        Panicked { status: Option<Status> },
    }
}

impl<F> Call<F> {
    pub(super) fn running(future: F, measure: Measure) -> Self {
        Self {
            state: State::Running { future },
            measure: Some(measure),
        }
    }

    pub(super) fn panicked(panic: &(dyn Any + Send), mut measure: Measure) -> Self {
        let status = Some(internal(panic, &mut measure));
        Self {
            state: State::Panicked { status },
            measure: Some(measure),
        }
    }
}

impl<F, B> Future for Call<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.state.as_mut().project() {
            StateProjection::Running { future } => {
                catch_unwind(AssertUnwindSafe(|| future.poll(context)))
            }
            StateProjection::Panicked { status } => {
                let status = status.take().expect("a future is not polled after its end");
                return Poll::Ready(Ok(status.into_http::<Body<B>>()));
            }
        };
        let measure =
            |this: &mut Option<Measure>| this.take().expect("a future is not polled after its end");
        match outcome {
            Ok(poll) => {
                let Ok(response) = ready!(poll);
                Poll::Ready(Ok(begun(response, measure(this.measure))))
            }
            Err(panic) => {
                let status = internal(&*panic, &mut measure(this.measure));
                // Drops the future's remains now, while we know where we are.
                this.state.set(State::Panicked { status: None });
                Poll::Ready(Ok(status.into_http::<Body<B>>()))
            }
        }
    }
}

/// A response whose headers are there; with a status in them the call is over.
fn begun<B>(response: Response<B>, mut measure: Measure) -> Response<Body<B>> {
    let (mut parts, body) = response.into_parts();
    let code = mistake::repair(&mut parts.headers);
    if let Some(code) = code {
        measure.finish(code);
    }
    Response::from_parts(parts, Body::new(body, measure))
}

/// Counts and logs a panic; the id joins the caller's error to the log line.
pub(super) fn internal(panic: &(dyn Any + Send), measure: &mut Measure) -> Status {
    measure.panicked();
    let id = format!("{:016x}", fastrand::u64(..));
    // A literal text is ours; a formatted one may hold anything, a token among it. The place of
    // the panic is reported by the process's panic hook.
    let text = panic
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(text withheld)");
    tracing::error!(id, rpc = measure.method(), text, "a call panicked, id {id}");
    status::panicked(&id)
}
