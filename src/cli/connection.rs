//! The way of a command to a running gateway.

use std::error::Error as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// Variable in the place of `--address`.
pub(super) const ADDRESS_VARIABLE: &str = "WECOMGW_ADDRESS";
/// Variable in the place of `--token-file`.
pub(super) const TOKEN_FILE_VARIABLE: &str = "WECOMGW_TOKEN_FILE";

/// How each certificate of a PEM file begins.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Which gateway, and who asks.
#[derive(Args, Clone)]
pub(super) struct GatewayArguments {
    /// The gateway: host:port, or https://host:port with TLS.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:50051",
        env = ADDRESS_VARIABLE
    )]
    address: String,
    /// File that holds the API token.
    #[arg(long, value_name = "PATH", env = TOKEN_FILE_VARIABLE)]
    token_file: Option<PathBuf>,
    /// PEM file of the certificate authority of an https gateway.
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,
}

/// A connected gateway.
pub(super) struct Connection {
    channel: Channel,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Connection {
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request with the API token, if there is one.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request
                .metadata_mut()
                .insert("authorization", authorization.clone());
        }
        request
    }
}

impl GatewayArguments {
    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        let authorization = self.authorization()?;
        let address = &self.address;
        let mut endpoint = endpoint(address)?;
        let mut advice = "start one with `wecomgw dev`, or name another with --address";
        if address.starts_with("https://") {
            endpoint = endpoint.tls_config(self.tls()?)?;
            advice = "does it speak TLS, with a certificate for this name that --ca-file signed?";
        }
        Ok(Connection {
            channel: connect(endpoint, address, advice).await?,
            authorization,
        })
    }

    fn tls(&self) -> anyhow::Result<ClientTlsConfig> {
        let path = self.ca_file.as_ref();
        let path = path.context("an https gateway needs --ca-file")?;
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !pem
            .windows(CERTIFICATE.len())
            .any(|part| part == CERTIFICATE)
        {
            bail!("{} holds no certificate in PEM form", path.display());
        }
        Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
    }

    fn authorization(&self) -> anyhow::Result<Option<MetadataValue<Ascii>>> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let token = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the token file {}", path.display()))?;
        let token = token.trim();
        if token.is_empty() {
            bail!("the token file {} is empty", path.display());
        }
        let mut value = MetadataValue::try_from(format!("Bearer {token}"))
            .ok()
            .with_context(|| format!("the token file {} holds no token", path.display()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Where `address` leads: `host:port`, with or without a scheme.
pub(super) fn endpoint(address: &str) -> anyhow::Result<Endpoint> {
    let url = match address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    };
    Endpoint::from_shared(url)
        .ok()
        .filter(|endpoint| {
            let uri = endpoint.uri();
            let scheme = uri.scheme_str().unwrap_or_default();
            matches!(scheme, "http" | "https")
                && uri.port().is_some()
                && uri.host().is_some_and(|host| !host.is_empty())
        })
        .with_context(|| format!("{address:?} is no address; write host:port"))
}

/// Opens a connection to a gateway; `advice` is for when nobody answers.
pub(super) async fn connect(
    endpoint: Endpoint,
    address: &str,
    advice: &str,
) -> anyhow::Result<Channel> {
    endpoint.connect().await.map_err(|error| {
        // The libraries between say the same again, in longer words.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        anyhow::anyhow!("no gateway answers on {address}: {cause}; {advice}")
    })
}

/// Whether the status is tonic's own, for want of a gRPC server that says one.
pub(super) fn is_no_grpc(status: &Status) -> bool {
    let text = status.message();
    match status.code() {
        Code::Unknown => status.source().is_some(),
        Code::Unimplemented => text.is_empty() || text.starts_with("grpc-status header missing"),
        _ => false,
    }
}

/// A status as a person wants to read it.
pub(super) fn explain(status: &Status) -> anyhow::Error {
    if is_no_grpc(status) {
        return anyhow::anyhow!(
            "what answers on that address is not the gateway's gRPC port ([grpc] listen), or it went away"
        );
    }
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let details = status.get_error_details();
    let request = details.bad_request();
    let violations = request.map_or(&[][..], |request| &request.field_violations);
    // A single one is the message already.
    for violation in violations.iter().filter(|_| violations.len() > 1) {
        text.push_str(&format!(
            "\n  {}: {}",
            violation.field, violation.description
        ));
    }
    if let Some(info) = details.error_info() {
        text.push_str(&format!("\n  reason {}", info.reason));
        for key in [
            "errcode",
            "hint",
            "refused_ip",
            "invalid_user_ids",
            "unlicensed_user_ids",
        ] {
            if let Some(value) = info.metadata.get(key).filter(|value| !value.is_empty()) {
                text.push_str(&format!("\n  {key}: {value}"));
            }
        }
    }
    if status.code() == Code::Unauthenticated {
        text.push_str("\n  --token-file names the file with the API token");
    }
    if let Some(wait) = details.retry_info().and_then(|retry| retry.retry_delay) {
        text.push_str(&format!("\n  try again in {} s", wait.as_secs_f64().ceil()));
    }
    anyhow::anyhow!(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in ["127.0.0.1:50051", "http://gateway:50051", "https://[::1]:1"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "50051",
            ":50051",
            "gateway",
            "ftp://gateway:1",
            "http://gateway",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
