//! WeCom's login pages: where a tester chooses who logs in.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/91022> (inside WeCom),
//! <https://developer.work.weixin.qq.com/document/path/98152> (QR code; both read 2026-02),
//! <https://developer.work.weixin.qq.com/document/path/91019> (its older address, which
//! SDKs still build).

mod html;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri, header};
use reqwest::Url;

use super::corp::{Corp, Desk};
use super::login::{Code, Visitor};

pub(super) const OAUTH_PATH: &str = "/connect/oauth2/authorize";
pub(super) const QR_PATH: &str = "/wwlogin/sso/login";
/// Only for apps of a corp, hence without login_type.
const OLD_QR_PATH: &str = "/wwopen/sso/qrConnect";

/// Longest `state`, in bytes.
const STATE_MAX_BYTES: usize = 128;

type Parameters = HashMap<String, String>;

pub(super) fn routes(desk: Arc<Desk>) -> Router {
    Router::new()
        .route(OAUTH_PATH, get(oauth))
        .route(QR_PATH, get(qr))
        .route(OLD_QR_PATH, get(qr))
        .with_state(desk)
}

/// What a page comes to.
enum Step {
    /// Somebody must be chosen.
    Choose,
    /// The member must agree.
    Consent,
    /// The page says no.
    Stop(&'static str),
    /// The browser goes back, with a code or without.
    Return(Option<String>),
}

async fn oauth(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    Query(parameters): Query<Parameters>,
) -> Response {
    let mut corp = desk.corp();
    let step = oauth_step(&mut corp, &parameters);
    show(&corp, &uri, &parameters, "Inside WeCom 企业微信内", step)
}

async fn qr(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    Query(parameters): Query<Parameters>,
) -> Response {
    let mut corp = desk.corp();
    let step = qr_step(&mut corp, uri.path(), &parameters);
    show(&corp, &uri, &parameters, "Scan to log in 扫码登录", step)
}

fn oauth_step(corp: &mut Corp, parameters: &Parameters) -> Step {
    let text = |name: &str| parameters.get(name).map_or("", String::as_str);
    let Some(domain) = domain(text("redirect_uri")) else {
        return Step::Stop("redirect_uri参数错误");
    };
    if text("appid") != corp.id {
        return Step::Stop("appid参数错误");
    }
    if text("response_type") != "code" {
        return Step::Stop("response_type参数错误");
    }
    if !is_state(text("state")) {
        return Step::Stop("state参数错误");
    }
    // Without agentid the link counts as snsapi_base of whichever app trusts the domain.
    let app = match text("agentid") {
        "" => corp.apps.iter().position(|app| app.trusts(&domain)),
        agent_id => agent(corp, agent_id),
    };
    let private_info = match (text("scope"), text("agentid")) {
        ("snsapi_base", _) | ("snsapi_privateinfo", "") => false,
        ("snsapi_privateinfo", _) => true,
        _ => return Step::Stop("scope参数错误"),
    };
    let Some(app) = app.filter(|app| corp.apps[*app].trusts(&domain)) else {
        return Step::Stop("redirect_uri参数错误");
    };
    let Some(visitor) = visitor(corp, text("user")) else {
        return Step::Choose;
    };
    if private_info {
        match visitor {
            Visitor::Member(seat) if corp.scopes[app].sees(seat) => {}
            _ => return Step::Stop("成员不在应用可见范围 (not in the app's visible range)"),
        }
        match text("consent") {
            "yes" => {}
            "" => return Step::Consent,
            _ => return Step::Stop("已拒绝授权 (declined; the WeCom client closes the page)"),
        }
    }
    let code = Code {
        app,
        domain,
        visitor,
        private_info,
    };
    Step::Return(Some(corp.logins.issue_code(code)))
}

/// The redirect address is looked at only after the scan.
fn qr_step(corp: &mut Corp, path: &str, parameters: &Parameters) -> Step {
    let text = |name: &str| parameters.get(name).map_or("", String::as_str);
    if path == QR_PATH && text("login_type") != "CorpApp" {
        return Step::Stop("login_type参数错误 (-31040)");
    }
    if text("appid") != corp.id {
        return Step::Stop("appid参数错误 (-31027)");
    }
    let Some(app) = agent(corp, text("agentid")) else {
        return Step::Stop("agentid参数错误 (-31028)");
    };
    if text("redirect_uri").is_empty() {
        return Step::Stop("redirect_uri为空 (-31035)");
    }
    let cancelled = !text("cancel").is_empty();
    let visitor = visitor(corp, text("user"));
    if visitor.is_none() && !cancelled {
        return Step::Choose;
    }
    let domain = domain(text("redirect_uri")).filter(|domain| corp.apps[app].trusts(domain));
    let Some(domain) = domain else {
        return Step::Stop("redirect_uri与可信域名不一致 (-31039)");
    };
    Step::Return(visitor.map(|visitor| {
        corp.logins.issue_code(Code {
            app,
            domain,
            visitor,
            private_info: false,
        })
    }))
}

fn show(corp: &Corp, uri: &Uri, parameters: &Parameters, title: &str, step: Step) -> Response {
    let here = uri.path_and_query().map_or("", |here| here.as_str());
    match step {
        Step::Choose => html::choose(corp, title, here, uri.path() != OAUTH_PATH),
        Step::Consent => html::consent(title, here),
        Step::Stop(words) => html::stop(title, words),
        Step::Return(code) => back(parameters, code.as_deref()),
    }
}

/// Sends the browser to the redirect address.
fn back(parameters: &Parameters, code: Option<&str>) -> Response {
    let redirect_uri = parameters.get("redirect_uri");
    let Some(mut url) = redirect_uri.and_then(|uri| Url::parse(uri).ok()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    {
        let mut query = url.query_pairs_mut();
        if let Some(code) = code {
            query.append_pair("code", code);
        }
        if let Some(state) = parameters.get("state") {
            query.append_pair("state", state);
        }
    }
    let headers = [
        (header::LOCATION, url.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// Host and, where it is written, port of a web address.
fn domain(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let web = matches!(url.scheme(), "http" | "https");
    let plain = url.username().is_empty() && url.password().is_none();
    let host = url.host_str().filter(|_| web && plain)?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn is_state(state: &str) -> bool {
    state.len() <= STATE_MAX_BYTES && state.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn agent(corp: &Corp, agent_id: &str) -> Option<usize> {
    let agent_id: u32 = agent_id.parse().ok()?;
    corp.apps.iter().position(|app| app.agent_id == agent_id)
}

fn visitor(corp: &Corp, user: &str) -> Option<Visitor> {
    match user {
        html::LINKED => Some(Visitor::Linked),
        html::CUSTOMER => Some(Visitor::Customer),
        html::STRANGER => Some(Visitor::Stranger),
        user_id => corp.roster.seat(user_id).map(Visitor::Member),
    }
}
