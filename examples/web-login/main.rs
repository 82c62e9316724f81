//! A web application whose users log in through WeCom, in one file.
//!
//! ```sh
//! wecomgw dev                       # or `make dev`, in another terminal
//! cargo run --example web-login     # then open http://127.0.0.1:8000/
//! ```
//!
//! `WECOMGW_ADDRESS` names another gateway, `WECOMGW_TOKEN` the API token, `WEB_LOGIN_URL`
//! the address under which browsers reach this application. docs/login.md tells why each
//! step is there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::auth_service_client::AuthServiceClient;

/// The app of WeCom that people log in through.
const APP: &str = "youxiao";
/// How long the browser keeps the state: as long as the gateway does.
const STATE_SECONDS: u64 = 600;

/// Everything that the pages need.
pub(crate) struct Site {
    /// `http://127.0.0.1:8000`: without a slash at the end.
    pub(crate) url: String,
    /// The gateway.
    pub(crate) gateway: Channel,
    /// The API token, when the gateway has callers.
    pub(crate) api_token: Option<String>,
}

#[tokio::main]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "an example reads its environment and says where it is"
)]
#[allow(dead_code, reason = "tests take the pages and leave the program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let gateway = setting("WECOMGW_ADDRESS", "http://127.0.0.1:50051");
    let site = Site {
        url: setting("WEB_LOGIN_URL", "http://127.0.0.1:8000"),
        gateway: Endpoint::from_shared(gateway)?.connect_lazy(),
        api_token: std::env::var("WECOMGW_TOKEN").ok(),
    };
    println!("open {}/", site.url);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    serve(listener, site).await?;
    Ok(())
}

/// Serves the pages.
pub(crate) async fn serve(
    listener: tokio::net::TcpListener,
    site: Site,
) -> Result<(), std::io::Error> {
    let router = Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/logout", post(logout))
        .with_state(Arc::new(site));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let stream = hyper_util::rt::TokioIo::new(stream);
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(stream, service).await;
        });
    }
}

/// The application itself. Only who has no session is sent to log in.
async fn home(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let Some(session_token) = cookie(&headers, &site.cookie("session")) else {
        return Redirect::to("/login").into_response();
    };
    let request = pb::VerifySessionRequest { session_token };
    match site.auth().verify_session(site.request(request)).await {
        Ok(reply) => {
            let user = reply.into_inner().user.unwrap_or_default();
            let (name, id) = (escaped(&user.name), escaped(&user.user_id));
            page(
                StatusCode::OK,
                &format!(
                    "<p>Hello <b>{name}</b> ({id}).</p><form method=post action=/logout><button>Log out</button></form>"
                ),
            )
        }
        // The session ended, or was logged out elsewhere: log in again.
        Err(status) if status.code() == tonic::Code::InvalidArgument => {
            let gone = site.forget("session");
            ([(header::SET_COOKIE, gone)], Redirect::to("/login")).into_response()
        }
        Err(status) => failed(&status),
    }
}

/// Sends the browser to WeCom, and ties the login to this browser with a cookie.
async fn login(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let agent = headers.get(header::USER_AGENT);
    let inside_wecom = agent.is_some_and(|agent| {
        let agent = String::from_utf8_lossy(agent.as_bytes());
        agent.to_ascii_lowercase().contains("wxwork")
    });
    let kind = match inside_wecom {
        true => pb::LoginPage::InApp,
        false => pb::LoginPage::QrCode,
    };
    let request = pb::BuildLoginUrlRequest {
        app: APP.into(),
        page: kind.into(),
        redirect_uri: format!("{}/callback", site.url),
        ..pb::BuildLoginUrlRequest::default()
    };
    match site.auth().build_login_url(site.request(request)).await {
        Ok(reply) => {
            let reply = reply.into_inner();
            let state = site.remember("state", &reply.state, STATE_SECONDS);
            ([(header::SET_COOKIE, state)], Redirect::to(&reply.url)).into_response()
        }
        Err(status) => failed(&status),
    }
}

/// Where WeCom sends the browser back.
async fn callback(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let state = query.get("state").cloned().unwrap_or_default();
    // A login that began in another browser is not this person's, however good its code.
    if cookie(&headers, &site.cookie("state")).as_ref() != Some(&state) {
        return again("This login did not begin here.");
    }
    let Some(code) = query.get("code").cloned() else {
        return again("Nobody logged in.");
    };
    let app = APP.to_owned();
    let request = pb::LoginRequest { app, code, state };
    let reply = match site.auth().login(site.request(request)).await {
        Ok(reply) => reply.into_inner(),
        Err(status) => match status.code() {
            tonic::Code::InvalidArgument | tonic::Code::Unknown => {
                return again("The login took too long, or the page was loaded twice.");
            }
            tonic::Code::PermissionDenied => return again("You are no member of the corp."),
            _ => return failed(&status),
        },
    };
    let ends = reply.expires_at.map(SystemTime::try_from);
    let life = ends.and_then(Result::ok).and_then(|ends| {
        let left = ends.duration_since(SystemTime::now());
        left.ok()
    });
    // The cookie goes when the session does: no page is asked for in vain.
    let seconds = life.unwrap_or_default().as_secs();
    let session = site.remember("session", &reply.session_token, seconds);
    let mut response = Redirect::to("/").into_response();
    for cookie in [session, site.forget("state")] {
        if let Ok(cookie) = cookie.parse() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// Ends the session here and everywhere. A POST, which other sites cannot make with our
/// cookie: it is SameSite=Lax.
async fn logout(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if let Some(session_token) = cookie(&headers, &site.cookie("session")) {
        let request = pb::LogoutRequest { session_token };
        match site.auth().logout(site.request(request)).await {
            Err(status) if status.code() != tonic::Code::InvalidArgument => {
                return failed(&status);
            }
            _ => {}
        }
    }
    let gone = site.forget("session");
    ([(header::SET_COOKIE, gone)], again("You are logged out.")).into_response()
}

impl Site {
    fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.gateway.clone())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = self.api_token.as_ref();
        if let Some(Ok(bearer)) = token.map(|token| format!("Bearer {token}").parse()) {
            request.metadata_mut().insert("authorization", bearer);
        }
        request
    }

    fn is_https(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// `__Host-` keeps other hosts of the domain from setting the cookie; browsers take it
    /// over https only.
    fn cookie(&self, name: &str) -> String {
        match self.is_https() {
            true => format!("__Host-{name}"),
            false => name.to_owned(),
        }
    }

    fn remember(&self, name: &str, value: &str, seconds: u64) -> String {
        let secure = if self.is_https() { "; Secure" } else { "" };
        let name = self.cookie(name);
        // Lax and not Strict: WeCom's redirect comes from another site.
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    fn forget(&self, name: &str) -> String {
        self.remember(name, "", 0)
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = cookies.filter_map(|cookies| cookies.to_str().ok());
    pairs.find_map(|cookies| {
        let mut pairs = cookies.split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, value)| key.trim() == name && !value.is_empty())
            .map(|(_, value)| value.trim().to_owned())
    })
}

fn again(words: &str) -> Response {
    let body = format!("<p>{words}</p><p><a href=/login>Log in</a></p>");
    page(StatusCode::OK, &body)
}

/// What the operators have to mend; the person can only wait.
fn failed(status: &tonic::Status) -> Response {
    let code = escaped(&format!("{:?}", status.code()));
    let body = format!("<p>That does not work at the moment ({code}).</p>");
    page(StatusCode::BAD_GATEWAY, &body)
}

fn page(status: StatusCode, body: &str) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; form-action 'self'",
        ),
    ];
    let html = format!(
        "<!doctype html><meta charset=utf-8><title>web-login</title><h1>web-login</h1>{body}"
    );
    (status, headers, Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
