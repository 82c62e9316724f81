//! The gRPC listener: an own accept loop around hyper, because five things an open port needs are
//! missing from tonic's: a deadline for silent sockets, a drain that ends, GOAWAY at the
//! connection's age, a limit on streams, and an accept loop that rests when descriptors run out.
//!
//! It knows connections, not calls: what is served is any `tower` service, in practice tonic's
//! `Routes` under [`super::observe::Layer`]. Admission, deadlines and the caller's identity belong
//! to the layers and handlers; the [`Peer`] they need is in each request's extensions.

mod connection;
mod error;
mod listener;
mod metrics;
mod peer;
mod settings;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::BoxError;

use connection::Context;
use listener::Listener;

pub use error::Error;
pub use metrics::Metrics;
pub use peer::Peer;
pub use settings::Settings;
pub use tls::Tls;

/// How long dropped connections may take to let go of their tasks after the drain has ended.
/// Dropping is immediate; only a handler that blocks its thread can use this up.
const ABORT_WAIT: Duration = Duration::from_secs(1);

/// A bound listener that has not begun to accept.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    listener: Listener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Server {
    /// Reads the certificates and binds the address. Connections wait in the kernel's queue until
    /// [`Server::run`].
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the TLS files are incomplete, unreadable or refused.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn bind(settings: Settings, metrics: Metrics) -> Result<Self, Error> {
        let tls = tls::config(&settings, metrics.clone())?;
        let listener = Listener::bind(&settings, metrics)?;
        let address = listener.address()?;
        Ok(Self {
            settings,
            listener,
            address,
            tls,
        })
    }

    /// The bound address, with the real port where the settings said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificates, to read them again.
    #[must_use]
    pub fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    /// Serves until `shutdown`, then drains, and returns in any case within
    /// `drain_accept + drain_grace` and a second.
    ///
    /// The drain: keep accepting for `drain_accept` (the caller has already set health to
    /// NOT_SERVING, and clients need that long to notice); close the listener and send GOAWAY; wait
    /// at most `drain_grace` for running calls; drop what is left. No socket, however silent, and
    /// no stream, however long, can prolong it.
    pub async fn run<S, B>(self, service: S, shutdown: CancellationToken)
    where
        S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Self {
            settings,
            listener,
            tls,
            ..
        } = self;
        let (drain_accept, drain_grace) = (settings.drain_accept, settings.drain_grace);
        let context = Arc::new(Context::new(
            settings,
            tls,
            listener.metrics().clone(),
            TaskTracker::new(),
        ));
        // If this future itself is dropped, its connections must not outlive it.
        let _abort_on_drop = context.abort.clone().drop_guard();

        let accept = accept_forever(&listener, &context, service);
        tokio::select! {
            never = accept => match never {},
            () = after(&shutdown, drain_accept) => {}
        }
        drop(listener);
        drain(&context, drain_grace).await;
    }
}

async fn after(shutdown: &CancellationToken, delay: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(delay).await;
}

async fn accept_forever<S, B>(listener: &Listener, context: &Arc<Context>, service: S) -> Infallible
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    loop {
        let accepted = listener.accept().await;
        let connection = connection::run(accepted, context.clone(), service.clone());
        context.tasks.spawn(connection);
    }
}

async fn drain(context: &Context, grace: Duration) {
    context.stop.cancel();
    context.tasks.close();
    if tokio::time::timeout(grace, context.tasks.wait())
        .await
        .is_ok()
    {
        return;
    }
    tracing::warn!(
        tasks = context.tasks.len(),
        "drain grace is over, dropping what is left"
    );
    context.abort.cancel();
    if tokio::time::timeout(ABORT_WAIT, context.tasks.wait())
        .await
        .is_err()
    {
        tracing::error!(
            tasks = context.tasks.len(),
            "calls that block their thread are left behind"
        );
    }
}
