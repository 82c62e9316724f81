//! Why the listener cannot start.

use std::{net::SocketAddr, path::PathBuf};

/// Why the listener cannot start. Nothing here happens after start: a failing connection is
/// counted, not raised.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listen address is taken, not ours, or not permitted.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address of the settings.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Only some of the TLS files are set.
    #[error("{missing} must be set when {given} is")]
    Incomplete {
        /// The setting that is there.
        given: &'static str,
        /// The setting that it needs.
        missing: &'static str,
    },
    /// A PEM file cannot be read, or holds no item of the kind that is needed.
    #[error("{setting} {path}: {reason}", path = path.display())]
    Pem {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never its content.
        reason: String,
    },
    /// Certificate and key were read but do not make a TLS server.
    #[error("the TLS certificate or key was refused: {0}")]
    Tls(#[from] rustls::Error),
    /// The client CA file holds no usable root.
    #[error("client_ca_file was refused: {0}")]
    ClientCa(#[from] rustls::server::VerifierBuilderError),
}
