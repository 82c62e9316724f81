//! The way of a command to a running gateway.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// Which gateway, and who asks.
#[derive(Args)]
pub(super) struct GatewayArguments {
    /// The gateway: http://host:port or https://host:port.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:50051",
        env = "WECOMGW_ADDRESS"
    )]
    address: String,
    /// File that holds the API token.
    #[arg(long, value_name = "PATH", env = "WECOMGW_TOKEN_FILE")]
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
        let mut endpoint = Endpoint::from_shared(address.clone())
            .ok()
            .filter(|endpoint| endpoint.uri().scheme().is_some())
            .with_context(|| format!("{address:?} is no address; write http://host:port"))?;
        if address.starts_with("https://") {
            let path = self
                .ca_file
                .as_ref()
                .context("an https gateway needs --ca-file")?;
            let pem =
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls)?;
        }
        let advice = format!(
            "no gateway answers on {address}; start one with `wecomgw dev`, or name another with --address"
        );
        Ok(Connection {
            channel: connect(endpoint, advice).await?,
            authorization,
        })
    }

    fn authorization(&self) -> anyhow::Result<Option<MetadataValue<Ascii>>> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let token = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the token file {}", path.display()))?;
        let mut value = MetadataValue::try_from(format!("Bearer {}", token.trim()))
            .context("the token file holds no token")?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Opens a connection to a gateway; `advice` is for when nobody answers.
pub(super) async fn connect(endpoint: Endpoint, advice: String) -> anyhow::Result<Channel> {
    endpoint.connect().await.map_err(|error| {
        // The libraries between say the same again, in longer words.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        anyhow::anyhow!("{advice}: {cause}")
    })
}

/// A status as a person wants to read it.
pub(super) fn explain(status: &Status) -> anyhow::Error {
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
    if let Some(wait) = details.retry_info().and_then(|retry| retry.retry_delay) {
        text.push_str(&format!("\n  try again in {} s", wait.as_secs_f64().ceil()));
    }
    anyhow::anyhow!(text)
}
