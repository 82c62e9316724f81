//! One API call from request to answer: fault, gate, handler, ledger, answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::answer::{Answer, Refusal, Verdict};
use super::api::{self, Endpoint};
use super::call::Call;
use super::corp::{Corp, Desk};
use super::fault::{Fault, Taken};
use super::ledger::{Answered, Entry};
use super::server::Scissors;
use super::token::{Bearer, Worth};
use super::witness::Delivery;

/// Largest request read: a 20 MB file and its multipart frame, with room to
/// spare so that a file a little too large meets its own error.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// The call that the ledger file has.
const SEND: &str = "message/send";

/// Size of a `huge_body` that names none.
const HUGE_BODY: u64 = 16 * 1024 * 1024;

static PADDING: [u8; 64 * 1024] = [b' '; 64 * 1024];

const PROXY_PAGE: &str = "<!doctype html><title>Sign in</title><p>Sign in to use this network.</p>";

pub(super) fn routes(desk: Arc<Desk>) -> Router {
    Router::new().fallback(take).with_state(desk)
}

/// What goes back over the wire.
enum Reply {
    Json(Answer),
    Status(StatusCode, String),
    Html,
    Reset,
    Truncated(Answer),
    Garbled,
    Empty,
    Huge(Answer, u64),
}

async fn take(
    State(desk): State<Arc<Desk>>,
    Extension(scissors): Extension<Scissors>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Answer::from(Refusal::new(40206, "request body too large")).into_response();
    };
    let call = Call::new(&parts, body.to_bytes());
    let offset_ms = desk.clock.offset_ms();
    let taken = desk.faults().take(&call);
    let latency = taken.latency;
    let (mut reply, answered, delivery) = decide(&desk, &call, taken);
    if let Some(witness) = &desk.witness
        && call.path == SEND
        && witness
            .note(&desk.clock, &call, &answered, &delivery)
            .is_err()
    {
        // Whoever checks the file misses the line; whoever called must not believe in a success.
        let text = "the sandbox cannot write its ledger file".to_owned();
        reply = Reply::Status(StatusCode::INSUFFICIENT_STORAGE, text);
    }
    // Hashing comes before the lock: a 20 MB upload must not hold up the others.
    let entry = Entry::new(&call, offset_ms, answered);
    desk.ledger().push(entry);
    // The call is over before the wait: a caller that gives up has still been heard.
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    send(reply, scissors).await
}

/// Processes the call unless a fault forbids it, and settles what is answered.
fn decide(desk: &Desk, call: &Call, taken: Taken) -> (Reply, Answered, Delivery) {
    let fault = taken.name();
    let mut delivery = None;
    let mut answered = Answered {
        fault,
        ..Answered::default()
    };
    let mut process = || {
        let mut answer = process(&mut desk.corp(), call)?;
        delivery = answer.delivery.take();
        answered.accepted = answer.accepted;
        answered.duplicate = answer.duplicate;
        Some(answer)
    };
    let known = |reply: Option<Reply>| {
        reply.unwrap_or_else(|| Reply::Status(StatusCode::NOT_FOUND, String::new()))
    };
    let reply = match taken.fault {
        None => known(process().map(Reply::Json)),
        Some(Fault::KillToken) => {
            spoil(call, |token| desk.corp().tokens.kill(token));
            known(process().map(Reply::Json))
        }
        Some(Fault::ExpireToken) => {
            spoil(call, |token| desk.corp().tokens.expire(token));
            known(process().map(Reply::Json))
        }
        Some(Fault::Errcode { code, errmsg }) => Reply::Json(failure(code, errmsg)),
        Some(Fault::ErrcodeAfter { code, errmsg }) => {
            known(process().map(|_| Reply::Json(failure(code, errmsg))))
        }
        Some(Fault::HttpStatus { status, body }) => Reply::Status(
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
            body.unwrap_or_default(),
        ),
        Some(Fault::Html) => Reply::Html,
        Some(Fault::ResetBefore) => Reply::Reset,
        Some(Fault::ResetAfter) => known(process().map(|_| Reply::Reset)),
        Some(Fault::TruncatedBody) => known(process().map(Reply::Truncated)),
        Some(Fault::Garbled) => known(process().map(|_| Reply::Garbled)),
        Some(Fault::EmptyBody) => known(process().map(|_| Reply::Empty)),
        Some(Fault::HugeBody { bytes }) => {
            let bytes = bytes.unwrap_or(HUGE_BODY);
            known(process().map(|answer| Reply::Huge(answer, bytes)))
        }
        // Faults::take adds latency up and never returns it as the fault itself.
        Some(Fault::LatencyMs { .. }) => known(process().map(Reply::Json)),
    };
    (answered.errcode, answered.status) = match &reply {
        Reply::Json(answer) | Reply::Huge(answer, _) => (Some(answer.errcode), Some(200)),
        Reply::Status(status, _) => (None, Some(status.as_u16())),
        Reply::Html | Reply::Garbled | Reply::Empty | Reply::Truncated(_) => (None, Some(200)),
        Reply::Reset => (None, None),
    };
    (reply, answered, delivery.unwrap_or_default())
}

fn spoil(call: &Call, spoil: impl FnOnce(&str)) {
    if let Some(token) = call.query("access_token") {
        spoil(token);
    }
}

/// `None` for a path that WeCom does not have.
fn process(corp: &mut Corp, call: &Call) -> Option<Answer> {
    Some(match api::find(&call.path)? {
        Endpoint::Open(handler) => handler(corp, call),
        Endpoint::Gated(handler) => match admit(corp, call) {
            Ok(Bearer::App(app)) => handler(corp, app, call),
            // The contact-sync secret is no app.
            Ok(Bearer::Contacts) => Refusal::new(48002, "api forbidden").into(),
            Err(refusal) => refusal.into(),
        },
        Endpoint::Directory(handler) => match admit(corp, call) {
            Ok(bearer) => handler(corp, bearer, call),
            Err(refusal) => refusal.into(),
        },
    })
}

/// The gate of every business call: token first, then the caller's IP, and only
/// then the parameters.
fn admit(corp: &Corp, call: &Call) -> Verdict<Bearer> {
    // A token in the body or in a header counts as missing.
    let token = call.query("access_token");
    let token = token.ok_or_else(|| Refusal::new(41001, "access_token missing"))?;
    let bearer = match corp.tokens.worth(token) {
        Worth::Good(bearer) => bearer,
        Worth::Invalid => return Err(Refusal::new(40014, "invalid access_token")),
        Worth::Expired => return Err(Refusal::new(42001, "access_token expired")),
    };
    if !corp.modes.trusted_ip {
        return Err(Refusal::new(60020, "not allow to access from your ip"));
    }
    Ok(bearer)
}

/// The answer of an errcode fault, in WeCom's words where a test gives none.
fn failure(code: i64, errmsg: Option<String>) -> Answer {
    let usual = match code {
        0 => "ok",
        -1 => "system error",
        40001 => "invalid credential",
        40014 => "invalid access_token",
        42001 => "access_token expired",
        45009 => "api freq out of limit",
        45033 => "api concurrent out of limit",
        60020 => "not allow to access from your ip",
        _ => "sandbox fault",
    };
    Refusal::new(code, errmsg.unwrap_or_else(|| usual.to_owned())).into()
}

async fn send(reply: Reply, scissors: Scissors) -> Response {
    match reply {
        Reply::Json(answer) => answer.into_response(),
        Reply::Status(status, body) => (status, body).into_response(),
        Reply::Html => Html(PROXY_PAGE).into_response(),
        Reply::Garbled => "\u{1f}\u{8b}sandbox: no JSON here".into_response(),
        Reply::Empty => StatusCode::OK.into_response(),
        Reply::Reset => scissors.cut().await,
        Reply::Truncated(answer) => truncated(&answer),
        Reply::Huge(answer, bytes) => huge(&answer, bytes),
    }
}

/// Promises the whole length, sends half, and fails.
fn truncated(answer: &Answer) -> Response {
    let body = answer.body();
    let length = body.len();
    let half = body.slice(..length / 2);
    let parts = stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        // Being idle once lets hyper flush the half before it learns of the failure.
        tokio::task::yield_now().await;
        Some((Err(std::io::Error::other("truncated on purpose")), None))
    });
    let mut response = answer.response_with(Body::from_stream(parts));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    response
}

/// Right JSON behind blanks that go on and on, made as they are sent.
fn huge(answer: &Answer, bytes: u64) -> Response {
    let body = answer.body();
    let padding = bytes.saturating_sub(body.len() as u64);
    let blanks = stream::unfold(padding, |left| async move {
        let size = left.min(PADDING.len() as u64);
        let piece = Bytes::from_static(&PADDING).slice(..usize::try_from(size).unwrap_or(0));
        (size > 0).then_some((Ok::<_, Infallible>(piece), left - size))
    });
    let end = stream::once(async { Ok(body) });
    answer.response_with(Body::from_stream(futures_util::StreamExt::chain(
        blanks, end,
    )))
}
