//! A call until its response begins.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use tonic::Status;

use super::audit::Entry;
use super::body::{Body, code_of};

pin_project! {
    /// The future of a call at the gate.
    pub struct Passage<F> {
        #[pin]
        state: State<F>,
        entry: Option<Box<Entry>>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Open { #[pin] future: F },
        Shut { status: Option<Status> },
    }
}

impl<F> Passage<F> {
    pub(super) fn open(future: F, entry: Box<Entry>) -> Self {
        Self {
            state: State::Open { future },
            entry: Some(entry),
        }
    }

    pub(super) fn shut(status: Status, entry: Box<Entry>) -> Self {
        let status = Some(status);
        Self {
            state: State::Shut { status },
            entry: Some(entry),
        }
    }
}

impl<F, B> Future for Passage<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let finished = "a future is not polled after its end";
        let entry = this.entry.as_mut().expect(finished);
        match this.state.project() {
            StateProjection::Open { future } => {
                let polled = entry.step(|| future.poll(context));
                let Poll::Ready(Ok(response)) = polled else {
                    let status = ready!(entry.poll_late(context));
                    return Poll::Ready(Ok(status.into_http::<Body<B>>()));
                };
                let mut entry = this.entry.take().expect(finished);
                if let Some(code) = code_of(response.headers()) {
                    entry.finish(code);
                }
                Poll::Ready(Ok(response.map(|body| Body::new(body, entry))))
            }
            StateProjection::Shut { status } => {
                let status = status.take().expect(finished);
                entry.finish(status.code());
                Poll::Ready(Ok(status.into_http::<Body<B>>()))
            }
        }
    }
}
