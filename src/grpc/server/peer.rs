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
    /// The subject alternative names of the leaf: its URIs, then its DNS names. Empty without
    /// a certificate.
    pub names: Arc<[String]>,
}

impl Peer {
    pub(super) fn new(
        address: SocketAddr,
        certificates: Option<Arc<[CertificateDer<'static>]>>,
    ) -> Self {
        let names = certificates.as_deref().and_then(<[_]>::first).map(names);
        Self {
            address,
            certificates,
            names: names.unwrap_or_default().into(),
        }
    }
}

/// The common name is no name: RFC 9525 §2 leaves it to old software.
fn names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok(leaf) = webpki::EndEntityCert::try_from(leaf) else {
        // The handshake has verified it, so it can be read.
        return Vec::new();
    };
    let names = leaf.valid_uri_names().chain(leaf.valid_dns_names());
    names.map(str::to_owned).collect()
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
