//! The way to a gateway.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const USER_AGENT: &str = concat!("wecomgw-rust/", env!("CARGO_PKG_VERSION"));

/// How to connect.
#[derive(Clone, Default)]
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
    /// Bounds unary calls that name no deadline, in place of 10 s.
    pub timeout: Option<Duration>,
    /// Makes every call once.
    pub without_retry: bool,
    /// Sent along with each call.
    pub headers: HashMap<String, String>,
}

/// Why a client could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOptions(String);

/// A gateway: one connection, and the calls of each service. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) channel: Channel,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) retry: bool,
    /// How many failures were counted lately, as gRPC's retry throttling does.
    pub(crate) failures: Arc<Mutex<f64>>,
}

impl Client {
    /// Makes a client, within a tokio runtime; the connection itself is made by the first call.
    /// `address` is `host:port`, or `https://host:port` for TLS.
    pub fn connect(address: &str, options: Options) -> Result<Self, InvalidOptions> {
        let wrong = || format!("not host:port or https://host:port: {address:?}");
        let url = parse(address).ok_or_else(|| invalid(wrong()))?;
        let secure = url.scheme_str() == Some("https");
        if !secure && (options.ca.is_some() || options.cert.is_some() || options.key.is_some()) {
            return Err(invalid("certificates need an https:// address"));
        }
        let mut headers = HeaderMap::try_from(&options.headers).map_err(invalid)?;
        if !options.token.is_empty() {
            if !secure && !options.insecure_token && !loopback(&url) {
                return Err(invalid(format!("the token needs https:// to go to {url}")));
            }
            let bearer = HeaderValue::try_from(format!("Bearer {}", options.token))
                .map_err(|_| invalid("the token has characters that no header takes"))?;
            headers.insert(AUTHORIZATION, bearer);
        }
        // What is secret among them is not known; `Debug` shows none.
        headers.values_mut().for_each(|v| v.set_sensitive(true));
        let mut endpoint = Endpoint::from(url)
            .user_agent(USER_AGENT)
            .map_err(invalid)?
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        if secure {
            endpoint = endpoint.tls_config(tls(&options)?).map_err(invalid)?;
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
            headers,
            timeout: options.timeout.unwrap_or(DEFAULT_TIMEOUT),
            retry: !options.without_retry,
            failures: Arc::default(),
        })
    }

    /// Makes a client from `WECOMGW_ADDRESS`, `WECOMGW_TOKEN` or `WECOMGW_TOKEN_FILE`,
    /// `WECOMGW_CA_FILE`, `WECOMGW_CERT_FILE` and `WECOMGW_KEY_FILE`.
    #[expect(clippy::disallowed_methods, reason = "it is asked for")]
    pub fn from_env() -> Result<Self, InvalidOptions> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Client::from_env`], from variables that `get` gives.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidOptions> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let read = |name: &str| {
            let content = get(name).map(std::fs::read).transpose();
            content.map_err(|error| invalid(format!("{name}: {error}")))
        };
        let file = read("WECOMGW_TOKEN_FILE")?.unwrap_or_default();
        let file = String::from_utf8_lossy(&file).trim().to_owned();
        let options = Options {
            token: get("WECOMGW_TOKEN").unwrap_or(file),
            ca: read("WECOMGW_CA_FILE")?,
            cert: read("WECOMGW_CERT_FILE")?,
            key: read("WECOMGW_KEY_FILE")?,
            ..Options::default()
        };
        let address = get("WECOMGW_ADDRESS");
        Self::connect(address.as_deref().unwrap_or(DEFAULT_ADDRESS), options)
    }
}

fn invalid(reason: impl fmt::Display) -> InvalidOptions {
    InvalidOptions(reason.to_string())
}

fn tls(options: &Options) -> Result<ClientTlsConfig, InvalidOptions> {
    let tls = match &options.ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => Ok(tls.identity(Identity::from_pem(cert, key))),
        (None, None) => Ok(tls),
        _ => Err(invalid("cert and key go together")),
    }
}

fn parse(address: &str) -> Option<Uri> {
    let scheme = if address.contains("://") {
        ""
    } else {
        "http://"
    };
    let url: Uri = format!("{scheme}{address}").parse().ok()?;
    let good = matches!(url.scheme_str(), Some("http" | "https"))
        && url.path_and_query().is_none_or(|path| path == "/")
        && url.authority().is_some_and(|to| !to.as_str().contains('@'))
        && url.host().is_some_and(|host| !host.is_empty())
        && url.port().is_some();
    good.then_some(url)
}

fn loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse();
    host == "localhost" || ip.is_ok_and(|ip: IpAddr| ip.is_loopback())
}
