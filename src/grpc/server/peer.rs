//! Who is at the other end of a connection, put into each request's extensions.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use rustls::pki_types::CertificateDer;
use tower::Service;

/// The other end of the connection a request came on. Handlers find it with
/// `request.extensions().get::<Peer>()`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address. Behind a proxy, the proxy's.
    pub address: SocketAddr,
    /// Its verified certificate chain, leaf first; `None` without TLS or client certificates.
    pub certificates: Option<Arc<[CertificateDer<'static>]>>,
}

/// Adds the connection's [`Peer`] to each of its requests.
#[derive(Debug, Clone)]
pub(super) struct WithPeer<S> {
    pub(super) peer: Peer,
    pub(super) inner: S,
}

impl<S, B> Service<Request<B>> for WithPeer<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.inner.call(request)
    }
}
