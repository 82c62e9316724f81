//! The listener's settings; their defaults stand in `config.default.toml`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;

/// Section `[grpc]`. Sizes are in bytes; durations carry their unit ("5s").
///
/// Where a default is not explained, it is the gateway's own choice for an open port with some
/// hundreds of clients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port. Default `127.0.0.1:50051`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// PEM file with the server's certificate chain, leaf first. Absent by default: plaintext.
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file with the private key of `tls_cert_file`.
    pub tls_key_file: Option<PathBuf>,
    /// PEM file with the CAs of client certificates. When set, a client without a certificate
    /// from one of them cannot connect.
    pub client_ca_file: Option<PathBuf>,

    /// Connections held at once. Default 1024. Further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections held at once from one IP address. Default 128. Further ones are closed.
    pub connections_per_ip: usize,
    /// Rest after an accept that failed for want of descriptors or memory. Default 50 ms: short
    /// enough to serve again at once, long enough not to spin.
    #[serde(with = "humantime_serde")]
    pub accept_pause: Duration,
    /// Time for the TLS handshake. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub tls_handshake_timeout: Duration,
    /// Time for the 24 bytes every HTTP/2 client sends first. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub preface_timeout: Duration,
    /// How long sent bytes may stay unacknowledged before the kernel gives the connection up
    /// (`TCP_USER_TIMEOUT`, Linux). Default 30 s.
    #[serde(with = "humantime_serde")]
    pub tcp_user_timeout: Duration,

    /// Calls open at once on one connection (`SETTINGS_MAX_CONCURRENT_STREAMS`). Default 100, the
    /// least that RFC 9113 §6.5.2 recommends.
    pub streams_per_connection: u32,
    /// Size of a request's decoded headers. Default 16384.
    pub header_list_bytes: u32,
    /// Largest HTTP/2 frame. Default 16384, the least and initial value of RFC 9113 §6.5.2.
    pub frame_bytes: u32,
    /// Bytes a client may send on one call before we read them. Default 262144.
    pub stream_window_bytes: u32,
    /// Bytes a client may send on one connection before we read them. Default 1048576.
    pub connection_window_bytes: u32,
    /// Calls a client may reset before we saw them, before the connection is closed
    /// (CVE-2023-44487, "rapid reset"). Default 20, as in h2.
    pub pending_accept_resets: usize,
    /// Calls that we reset for a client's protocol errors before the connection is closed.
    /// Default 1024, as in h2.
    pub local_error_resets: usize,

    /// Silence after which the client is asked for a sign of life (HTTP/2 PING). Default 60 s.
    #[serde(with = "humantime_serde")]
    pub keepalive_interval: Duration,
    /// Time to answer that PING. Default 20 s, as in gRPC's keepalive (proposal A8).
    #[serde(with = "humantime_serde")]
    pub keepalive_timeout: Duration,
    /// Age at which a connection gets GOAWAY, spread by ±10 % (gRPC proposal A9), so that clients
    /// look the name up again and find new replicas. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub connection_age: Duration,
    /// Time that calls running at that age have to finish. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub connection_age_grace: Duration,

    /// At shutdown: how long new connections and calls are still taken while clients notice that
    /// health says NOT_SERVING. Default 8 s.
    #[serde(with = "humantime_serde")]
    pub drain_accept: Duration,
    /// At shutdown: how long running calls may take after GOAWAY. Default 20 s. Together with
    /// `drain_accept` it must stay below `terminationGracePeriodSeconds`.
    #[serde(with = "humantime_serde")]
    pub drain_grace: Duration,
}
