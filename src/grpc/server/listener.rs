//! Accepting within bounds: a permit before each accept, a count per peer, a rest when the
//! system has nothing left to give.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{error::Error, metrics::Metrics, settings::Settings};

/// Connections that the kernel holds until they are accepted; it takes less where `somaxconn` is
/// smaller. When it is full, Linux drops the last packet of the handshake: the client believes
/// that it is connected, and waits for seconds, or for good if it does not speak. The standard
/// library's 128 is what the clients of one replica that leaves can fill at once.
const QUEUE: u32 = 1024;

#[derive(Debug)]
pub(super) struct Listener {
    tcp: TcpListener,
    total: Arc<Semaphore>,
    peers: PerPeer,
    accept_pause: Duration,
    metrics: Metrics,
}

/// An accepted socket and the room it takes.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) room: Room,
}

/// The share of the limits one connection holds; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Room {
    _total: OwnedSemaphorePermit,
    _peer: PeerGuard,
    _open: OpenGuard,
}

impl Listener {
    pub(super) fn bind(settings: &Settings, metrics: Metrics) -> Result<Self, Error> {
        let bind = || {
            let socket = match settings.listen {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            // What has just ended leaves its connections behind, which must not keep the port.
            socket.set_reuseaddr(true)?;
            socket.bind(settings.listen)?;
            socket.listen(QUEUE)
        };
        let tcp = bind().map_err(|source| Error::Bind {
            address: settings.listen,
            source,
        })?;
        Ok(Self {
            tcp,
            total: Arc::new(Semaphore::new(
                settings.connections.min(Semaphore::MAX_PERMITS),
            )),
            peers: PerPeer::new(settings.connections_per_ip),
            accept_pause: settings.accept_pause,
            metrics,
        })
    }

    pub(super) fn address(&self) -> Result<SocketAddr, Error> {
        self.tcp.local_addr().map_err(|source| Error::Bind {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            source,
        })
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The next connection within the limits. Safe to drop between two connections.
    pub(super) async fn accept(&self) -> Accepted {
        loop {
            let total = self.total.clone().acquire_owned().await;
            let total = total.expect("the semaphore is never closed");
            match self.tcp.accept().await {
                Ok((stream, peer)) => match self.peers.enter(peer.ip()) {
                    Some(guard) => return self.accepted(stream, peer, total, guard),
                    None => {
                        self.metrics.refused.per_ip.inc();
                        tracing::debug!(%peer, "connection refused: too many from this address");
                    }
                },
                Err(error) => self.failed(&error).await,
            }
        }
    }

    fn accepted(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        total: OwnedSemaphorePermit,
        guard: PeerGuard,
    ) -> Accepted {
        let open = OpenGuard::new(self.metrics.connections.clone());
        Accepted {
            stream,
            peer,
            room: Room {
                _total: total,
                _peer: guard,
                _open: open,
            },
        }
    }

    async fn failed(&self, error: &io::Error) {
        if only_this_connection(error) {
            return;
        }
        self.metrics.refused.descriptors.inc();
        tracing::warn!(%error, "cannot accept, resting");
        tokio::time::sleep(self.accept_pause).await;
    }
}

/// Whether accept failed because the connection at hand went away, so that the next accept may
/// well succeed. Everything else (EMFILE, ENFILE, ENOBUFS, ENOMEM) would fail again at once, and
/// since the connection stays in the queue, a loop without a rest would spin.
fn only_this_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
    )
}

/// Connections open per IP address.
#[derive(Debug, Clone)]
struct PerPeer {
    limit: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl PerPeer {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Arc::default(),
        }
    }

    fn enter(&self, address: IpAddr) -> Option<PeerGuard> {
        // ::ffff:a.b.c.d and a.b.c.d are one machine.
        let address = address.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&address).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        open.insert(address, count + 1);
        Some(PeerGuard {
            peers: self.clone(),
            address,
        })
    }

    fn leave(&self, address: IpAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&address);
            }
        }
    }
}

#[derive(Debug)]
struct PeerGuard {
    peers: PerPeer,
    address: IpAddr,
}

impl Drop for PeerGuard {
    fn drop(&mut self) {
        self.peers.leave(self.address);
    }
}

#[derive(Debug)]
struct OpenGuard(Gauge);

impl OpenGuard {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_descriptors_rests_and_a_lost_connection_does_not() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM on Linux.
        for code in [24, 23, 105, 12] {
            assert!(
                !only_this_connection(&io::Error::from_raw_os_error(code)),
                "{code}"
            );
        }
        // ECONNABORTED, EINTR.
        for code in [103, 4] {
            assert!(
                only_this_connection(&io::Error::from_raw_os_error(code)),
                "{code}"
            );
        }
    }

    #[test]
    fn a_mapped_address_counts_as_its_ipv4_self() {
        let peers = PerPeer::new(2);
        let first = peers.enter("192.0.2.7".parse().expect("an address"));
        let second = peers.enter("::ffff:192.0.2.7".parse().expect("an address"));
        assert!(first.is_some() && second.is_some());
        assert!(
            peers
                .enter("192.0.2.7".parse().expect("an address"))
                .is_none()
        );
        drop(second);
        assert!(
            peers
                .enter("192.0.2.7".parse().expect("an address"))
                .is_some()
        );
    }
}
