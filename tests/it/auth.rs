//! AuthService: logins through the sandbox's pages, sessions, tickets, tokens.

mod browser;
mod code;
mod js_sdk;
mod page;
mod session;
mod token;
mod web;

pub(crate) use session::{key_file, log_in};

use reqwest::{Url, redirect};
use serde_json::{Value, json};
use tonic::{Request, Status};
use wecomgw::grpc::pb;

use super::harness::{APP, SandboxHandle, World, details, from_json};

const GET_USER_INFO: &str = "auth/getuserinfo";
const RETURN: &str = "https://oa.example.com/login/callback";
/// Where the demo's second app may return to.
const OTHER_RETURN: &str = "https://hr.example.com:8443/login";

/// A caller of a world with callers, by its API token.
#[derive(Clone, Copy)]
struct Caller(Option<&'static str>);

/// The only caller of a world without callers.
const ANYONE: Caller = Caller(None);
const PORTAL: Caller = Caller(Some("portal-key"));
const WIKI: Caller = Caller(Some("wiki-key"));
/// May use the demo's second app only.
const PAYROLL: Caller = Caller(Some("payroll-key"));

/// A world with callers.
async fn world_with_callers() -> World {
    use sha2::Digest as _;
    let callers = [
        ("portal", "portal-key", "*"),
        ("wiki", "wiki-key", "*"),
        ("payroll", "payroll-key", "kaoqin"),
    ]
    .map(|(name, token, app)| {
        let digest = hex::encode(sha2::Sha256::digest(token));
        format!(
            "[[callers]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"*\"]\napps = [\"{app}\"]\n"
        )
    });
    World::start_with(SandboxHandle::start().await, &callers.concat()).await
}

impl Caller {
    fn request<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = self.0 {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        request
    }

    async fn build(
        self,
        world: &World,
        fields: Value,
    ) -> Result<pb::BuildLoginUrlResponse, Status> {
        let mut request = json!({"app": APP, "redirect_uri": RETURN});
        for (key, value) in fields.as_object().unwrap() {
            request[key] = value.clone();
        }
        let request: pb::BuildLoginUrlRequest =
            from_json("BuildLoginUrlRequest", &request.to_string());
        let answer = world.auth().build_login_url(self.request(request)).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Goes through the login page as `user`, to where Login comes next.
    async fn walk(self, world: &World, user: &str) -> pb::LoginRequest {
        self.walk_with(world, json!({}), user).await
    }

    async fn walk_with(self, world: &World, fields: Value, user: &str) -> pb::LoginRequest {
        let app = fields["app"].as_str().unwrap_or(APP).to_owned();
        let built = self.build(world, fields).await.unwrap();
        let (code, state) = visit(&built.url, user).await;
        pb::LoginRequest { app, code, state }
    }

    async fn login(
        self,
        world: &World,
        request: &pb::LoginRequest,
    ) -> Result<pb::LoginResponse, Status> {
        let answer = world.auth().login(self.request(request.clone())).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn verify(
        self,
        world: &World,
        session_token: &str,
    ) -> Result<pb::VerifySessionResponse, Status> {
        let session_token = session_token.to_owned();
        let request = pb::VerifySessionRequest { session_token };
        let answer = world.auth().verify_session(self.request(request)).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn logout(self, world: &World, session_token: &str) -> Result<(), Status> {
        let session_token = session_token.to_owned();
        let request = pb::LogoutRequest { session_token };
        world.auth().logout(self.request(request)).await.map(drop)
    }
}

/// Verifies a session token, as the only caller of its world.
pub(crate) async fn verify(world: &World, session_token: &str) -> Result<(), Status> {
    ANYONE.verify(world, session_token).await.map(drop)
}

/// Opens a login page, chooses `user` there, and gives the code and state with which the
/// browser is sent back. What follows the user's name is added to the address.
pub(crate) async fn visit(url: &str, user: &str) -> (String, String) {
    let browser = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none());
    let browser = browser.build().unwrap();
    let page = url.split('#').next().unwrap();
    let answer = browser
        .get(format!("{page}&user={user}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 302, "{}", answer.text().await.unwrap());
    let location = answer.headers()["location"].to_str().unwrap();
    let location = Url::parse(location).unwrap();
    let value = |name: &str| {
        let mut pairs = location.query_pairs();
        let pair = pairs.find(|(key, _)| key == name);
        pair.unwrap_or_else(|| panic!("no {name}")).1.into_owned()
    };
    (value("code"), value("state"))
}

/// How often WeCom was asked whose code it is.
async fn exchanges(world: &World) -> usize {
    world.sandbox.calls(GET_USER_INFO).await.len()
}

/// The fields that a status complains about.
fn fields(status: &Status) -> Vec<String> {
    let (reason, _, details) = details(status);
    assert_eq!(reason, "INVALID_REQUEST");
    let request = details.bad_request().unwrap();
    let violations = request.field_violations.iter();
    violations.map(|found| found.field.clone()).collect()
}
