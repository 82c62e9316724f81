//! A response body that reads the call's result from its trailers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use super::audit::Entry;

pin_project! {
    /// The body of a call that passed the gate. The default is an empty one.
    pub struct Body<B> {
        #[pin]
        inner: Option<B>,
        entry: Option<Box<Entry>>,
    }
}

impl<B> Default for Body<B> {
    fn default() -> Self {
        Self {
            inner: None,
            entry: None,
        }
    }
}

impl<B> Body<B> {
    pub(super) fn new(inner: B, entry: Box<Entry>) -> Self {
        Self {
            inner: Some(inner),
            entry: Some(entry),
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
        let polled = match this.entry.as_mut() {
            Some(entry) => entry.step(|| inner.poll_frame(context)),
            None => inner.poll_frame(context),
        };
        let Poll::Ready(frame) = polled else {
            let Some(entry) = this.entry else {
                return Poll::Pending;
            };
            let status = ready!(entry.poll_late(context));
            let mut trailers = HeaderMap::new();
            // Its text is ours, and so fits into a header.
            let _ = status.add_header(&mut trailers);
            this.inner.set(None);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        };
        if let (Some(Ok(frame)), Some(entry)) = (&frame, this.entry.as_mut())
            && let Some(trailers) = frame.trailers_ref()
        {
            entry.finish(code_of(trailers).unwrap_or(Code::Unknown));
        }
        Poll::Ready(frame)
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

/// The code in headers or trailers; `None` where there is none yet.
pub(super) fn code_of(headers: &HeaderMap) -> Option<Code> {
    let code = headers.get(Status::GRPC_STATUS)?;
    Some(Code::from_bytes(code.as_bytes()))
}
