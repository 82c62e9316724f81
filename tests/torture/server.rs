//! What the gRPC port must survive: bars S1 to S12 of docs/RELIABILITY.md, section "Server".

use std::net::SocketAddr;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

mod beside;
mod deadlines;
mod drain;
mod hostile;
mod overload;
mod probes;
mod soak;
mod traffic;

fn endpoint(address: SocketAddr) -> Endpoint {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_timeout(Duration::from_secs(1))
}

/// Connects with the first call.
fn channel(address: SocketAddr) -> Channel {
    endpoint(address).connect_lazy()
}
