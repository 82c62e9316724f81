//! The listener's settings; their defaults stand in `config.default.toml`.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::grpc::gate;

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
    /// PEM file with the CAs of client certificates.
    pub client_ca_file: Option<PathBuf>,
    /// Whether a client without a certificate from one of `client_ca_file` is turned away.
    /// Default true. A certificate from elsewhere is refused either way.
    pub require_client_certificate: bool,

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

    /// Unary calls under way at once. Default 512: at 64 in flight the gateway makes tens of
    /// thousands of calls a second, so that so many mean that WeCom is slow, and more would
    /// only wait. Further ones are refused with RESOURCE_EXHAUSTED.
    pub unary_calls: usize,
    /// Unary calls of one caller under way at once. Default 128, a quarter.
    pub unary_calls_per_caller: usize,
    /// Calls that one caller may begin in a second. Default 200; WeCom takes 167 a second of
    /// one kind (10 000 a minute).
    pub calls_per_second_per_caller: u32,
    /// Streams under way at once. Default 1000.
    pub streams: usize,
    /// Streams of one caller under way at once. Default 32.
    pub streams_per_caller: usize,

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

/// Sizes of an HTTP/2 frame (RFC 9113 §6.5.2).
const FRAME_BYTES: RangeInclusive<u32> = 16_384..=16_777_215;
/// The largest flow-control window (RFC 9113 §6.9.1).
const LARGEST_WINDOW_BYTES: u32 = i32::MAX as u32;

impl Settings {
    /// How many calls are let in.
    #[must_use]
    pub fn limits(&self) -> gate::Limits {
        gate::Limits {
            unary_calls: self.unary_calls,
            unary_calls_per_caller: self.unary_calls_per_caller,
            calls_per_second_per_caller: self.calls_per_second_per_caller,
            streams: self.streams,
            streams_per_caller: self.streams_per_caller,
        }
    }

    /// Every value that cannot work. The TLS files are read by [`super::Server::bind`].
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut rule = |holds: bool, key: &str, rule: &str| {
            if !holds {
                faults.push(format!("grpc.{key} {rule}"));
            }
        };
        let frame = format!("must be {} to {}", FRAME_BYTES.start(), FRAME_BYTES.end());
        rule(
            FRAME_BYTES.contains(&self.frame_bytes),
            "frame_bytes",
            &frame,
        );
        let window = format!("must be 1 to {LARGEST_WINDOW_BYTES}");
        for (key, bytes) in [
            ("stream_window_bytes", self.stream_window_bytes),
            ("connection_window_bytes", self.connection_window_bytes),
        ] {
            rule((1..=LARGEST_WINDOW_BYTES).contains(&bytes), key, &window);
        }
        for (key, count) in [
            ("connections", self.connections),
            ("connections_per_ip", self.connections_per_ip),
        ] {
            rule(
                (1..=Semaphore::MAX_PERMITS).contains(&count),
                key,
                "must be at least 1",
            );
        }
        for (key, count) in [
            ("unary_calls", self.unary_calls),
            ("unary_calls_per_caller", self.unary_calls_per_caller),
            ("streams", self.streams),
            ("streams_per_caller", self.streams_per_caller),
            (
                "calls_per_second_per_caller",
                self.calls_per_second_per_caller as usize,
            ),
        ] {
            rule(count > 0, key, "must be at least 1");
        }
        rule(
            self.streams_per_connection > 0,
            "streams_per_connection",
            "must be at least 1",
        );
        rule(
            self.header_list_bytes > 0,
            "header_list_bytes",
            "must be at least 1",
        );
        for (key, time) in [
            ("tls_handshake_timeout", self.tls_handshake_timeout),
            ("preface_timeout", self.preface_timeout),
            ("keepalive_interval", self.keepalive_interval),
            ("keepalive_timeout", self.keepalive_timeout),
            ("connection_age", self.connection_age),
        ] {
            rule(!time.is_zero(), key, "must be longer than 0s");
        }
        let Self {
            tls_cert_file: certificate,
            tls_key_file: key,
            client_ca_file: client_ca,
            ..
        } = self;
        let pair = [certificate.is_some(), key.is_some()];
        rule(
            pair != [true, false],
            "tls_cert_file",
            "needs grpc.tls_key_file",
        );
        rule(
            pair != [false, true],
            "tls_key_file",
            "needs grpc.tls_cert_file",
        );
        rule(
            client_ca.is_none() || pair != [false, false],
            "client_ca_file",
            "needs grpc.tls_cert_file",
        );
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_work_are_named_all_at_once() {
        let mut settings = super::super::tests::settings();
        assert_eq!(settings.faults(), Vec::<String>::new());
        settings.frame_bytes = 0;
        settings.stream_window_bytes = u32::MAX;
        settings.connections = 0;
        settings.connection_age = Duration::ZERO;
        assert_eq!(settings.faults().len(), 4, "{:?}", settings.faults());
    }
}
