//! The way to a gateway.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::BulkEvents;
use crate::through::Through;
use crate::v1::app_chat_service_client::AppChatServiceClient;
use crate::v1::auth_service_client::AuthServiceClient;
use crate::v1::bulk_service_client::BulkServiceClient;
use crate::v1::gateway_service_client::GatewayServiceClient;
use crate::v1::media_service_client::MediaServiceClient;
use crate::v1::message_service_client::MessageServiceClient;
use crate::v1::user_service_client::UserServiceClient;
use crate::v1::{BulkHeader, BulkItem};

const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const USER_AGENT: &str = concat!("wecomgw-rust/", env!("CARGO_PKG_VERSION"));

/// How to connect.
#[derive(Clone)]
pub struct Options {
    /// API token, shown at each call.
    pub token: String,
    /// Authorities (PEM) in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// Who the caller is: certificate (PEM).
    pub cert: Option<Vec<u8>>,
    /// Who the caller is: key (PEM).
    pub key: Option<Vec<u8>>,
    /// Lets the token travel in the clear beyond this machine.
    pub insecure_token: bool,
    /// Bounds unary calls that name no deadline; 10 s.
    pub timeout: Duration,
    /// `false` makes every call once.
    pub retry: bool,
    /// Sent along with each call.
    pub headers: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: String::new(),
            ca: None,
            cert: None,
            key: None,
            insecure_token: false,
            timeout: DEFAULT_TIMEOUT,
            retry: true,
            headers: Vec::new(),
        }
    }
}

/// Why a client could not be made.
#[derive(Clone, Debug)]
pub struct InvalidOptions(String);

impl fmt::Display for InvalidOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOptions {}

/// A gateway: one connection, and a stub for each service. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Client {
    through: Through,
}

impl Client {
    /// Makes a client, within a tokio runtime; the connection itself is made by the first call.
    /// `address` is `host:port`, or `https://host:port` for TLS.
    pub fn connect(address: &str, options: Options) -> Result<Self, InvalidOptions> {
        let (secure, host, port) = parse(address).ok_or_else(|| {
            invalid(format!(
                "not an address: {address:?}; write host:port or https://host:port"
            ))
        })?;
        let Options {
            token,
            ca,
            cert,
            key,
            insecure_token,
            timeout,
            retry,
            headers: more,
        } = options;
        if !secure && (ca.is_some() || cert.is_some() || key.is_some()) {
            return Err(invalid("certificates need an https:// address"));
        }
        if !token.is_empty() && !secure && !insecure_token && !loopback(host) {
            return Err(invalid(format!(
                "the token would go to {host} in the clear; use https://"
            )));
        }
        let scheme = if secure { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}:{port}"))
            .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
            .map_err(invalid)?
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        if secure {
            let mut tls = match ca {
                Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            match (cert, key) {
                (None, None) => {}
                (Some(cert), Some(key)) => tls = tls.identity(Identity::from_pem(cert, key)),
                _ => return Err(invalid("cert and key go together")),
            }
            endpoint = endpoint.tls_config(tls).map_err(invalid)?;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &more {
            let name = HeaderName::try_from(name).map_err(invalid)?;
            headers.insert(name, HeaderValue::try_from(value).map_err(invalid)?);
        }
        if !token.is_empty() {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value =
                value.map_err(|_| invalid("the token has characters that no header takes"))?;
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        let inner = endpoint.connect_lazy();
        let failures = Arc::default();
        Ok(Self {
            through: Through {
                inner,
                headers,
                timeout,
                retry,
                failures,
            },
        })
    }

    /// Makes a client from `WECOMGW_ADDRESS`, `WECOMGW_TOKEN` or `WECOMGW_TOKEN_FILE`,
    /// `WECOMGW_CA_FILE`, `WECOMGW_CERT_FILE` and `WECOMGW_KEY_FILE`.
    #[expect(
        clippy::disallowed_methods,
        reason = "reading the environment is what it is for"
    )]
    pub fn from_env() -> Result<Self, InvalidOptions> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Client::from_env`], from variables that `get` gives.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidOptions> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let read = |name: &str| match get(name) {
            None => Ok(None),
            Some(path) => match std::fs::read(&path) {
                Ok(content) => Ok(Some(content)),
                Err(error) => Err(invalid(format!("{name}: {path}: {error}"))),
            },
        };
        let token_file = read("WECOMGW_TOKEN_FILE")?.unwrap_or_default();
        let token_file = String::from_utf8_lossy(&token_file).trim().to_owned();
        let options = Options {
            token: get("WECOMGW_TOKEN").unwrap_or(token_file),
            ca: read("WECOMGW_CA_FILE")?,
            cert: read("WECOMGW_CERT_FILE")?,
            key: read("WECOMGW_KEY_FILE")?,
            ..Options::default()
        };
        let address = get("WECOMGW_ADDRESS");
        Self::connect(address.as_deref().unwrap_or(DEFAULT_ADDRESS), options)
    }

    /// The channel that the stubs share.
    pub fn channel(&self) -> Through {
        self.through.clone()
    }

    /// Group chats.
    pub fn app_chats(&self) -> AppChatServiceClient<Through> {
        AppChatServiceClient::new(self.channel())
    }

    /// Logins.
    pub fn auth(&self) -> AuthServiceClient<Through> {
        AuthServiceClient::new(self.channel())
    }

    /// Sends to very many; see [`Client::send_bulk`].
    pub fn bulk(&self) -> BulkServiceClient<Through> {
        BulkServiceClient::new(self.channel())
    }

    /// The gateway itself.
    pub fn gateway(&self) -> GatewayServiceClient<Through> {
        GatewayServiceClient::new(self.channel())
    }

    /// Media files.
    pub fn media(&self) -> MediaServiceClient<Through> {
        MediaServiceClient::new(self.channel())
    }

    /// Messages.
    pub fn messages(&self) -> MessageServiceClient<Through> {
        MessageServiceClient::new(self.channel())
    }

    /// Members.
    pub fn users(&self) -> UserServiceClient<Through> {
        UserServiceClient::new(self.channel())
    }

    /// Uploads items and gives the events of their job, each once, through every cut. Leaving
    /// does not cancel the job.
    pub fn send_bulk(&self, header: BulkHeader, items: Vec<BulkItem>) -> BulkEvents {
        BulkEvents::upload(self.clone(), header, items)
    }

    /// Gives the events of a job behind a sequence, each once, through every cut.
    pub fn watch_bulk(&self, job_id: impl Into<String>, after_sequence: u64) -> BulkEvents {
        BulkEvents::watch(self.clone(), job_id.into(), after_sequence)
    }
}

fn invalid(reason: impl fmt::Display) -> InvalidOptions {
    InvalidOptions(reason.to_string())
}

/// Whether TLS is spoken, host and port.
fn parse(address: &str) -> Option<(bool, &str, u16)> {
    let (secure, rest) = match address.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        Some(_) => return None,
        None => (false, address),
    };
    let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':')?;
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let bad = |letter: char| "[]/@?#".contains(letter) || letter.is_whitespace();
    let plain = inside.is_some() || !host.contains(':');
    let good = plain && !host.is_empty() && !inside.unwrap_or(host).contains(bad);
    Some((secure, host, port.parse().ok()?)).filter(|_| good)
}

fn loopback(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse();
    host == "localhost" || ip.is_ok_and(|ip: IpAddr| ip.is_loopback())
}
