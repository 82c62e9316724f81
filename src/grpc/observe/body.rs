//! A response body that reads the call's status from its trailers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::HeaderMap;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Code;

use super::{future::internal, metrics::Measure, mistake};

pin_project! {
    /// The body of an observed call. The default is an empty one that measures nothing.
    #[derive(Debug)]
    pub struct Body<B> {
        #[pin]
        inner: Option<B>,
        measure: Option<Measure>,
    }
}

impl<B> Default for Body<B> {
    fn default() -> Self {
        Self {
            inner: None,
            measure: None,
        }
    }
}

impl<B> Body<B> {
    pub(super) fn new(inner: B, measure: Measure) -> Self {
        Self {
            inner: Some(inner),
            measure: Some(measure),
        }
    }
}

impl<B: http_body::Body> http_body::Body for Body<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match catch_unwind(AssertUnwindSafe(|| inner.poll_frame(context))) {
            Ok(poll) => Poll::Ready(ready!(poll).map(|frame| frame.map(|f| seen(f, this.measure)))),
            Err(panic) => {
                this.inner.set(None);
                let trailers = this.measure.take().map(|mut measure| {
                    let status = internal(&*panic, &mut measure);
                    status.into_http::<()>().into_parts().0.headers
                });
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(without_type(trailers)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

/// Reads (and repairs) the status where the frame is the trailers.
fn seen<D>(mut frame: Frame<D>, measure: &mut Option<Measure>) -> Frame<D> {
    if let Some(trailers) = frame.trailers_mut() {
        let code = mistake::repair(trailers).unwrap_or(Code::Unknown);
        if let Some(measure) = measure {
            measure.finish(code);
        }
    }
    frame
}

/// `Status::into_http` is made for responses; trailers carry no content type.
fn without_type(mut trailers: HeaderMap) -> HeaderMap {
    trailers.remove(http::header::CONTENT_TYPE);
    trailers
}
