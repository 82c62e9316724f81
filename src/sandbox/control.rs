//! `/sandbox/`: what a tester sees and turns. WeCom has nothing like it.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::corp::Desk;
use super::fault::Order;
use super::settings::Modes;

type Tools = State<Arc<Desk>>;

pub(super) fn routes(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/messages", get(messages).delete(forget_messages))
        .route("/chats", get(chats))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/settings", get(modes).put(change_modes))
        .route("/tokens/kill", post(kill_tokens))
        .route("/tokens/expire", post(expire_tokens))
        .route("/reset", post(reset))
        .route("/directory", get(directory))
        .route("/media", get(media).delete(forget_media))
        .route("/media/{id}", get(one_media))
        .route("/pictures", get(pictures))
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(desk)
}

/// Which entries of a list are wanted.
#[derive(Deserialize)]
struct Filter {
    user: Option<String>,
    path: Option<String>,
    /// Only the newest so many.
    limit: Option<usize>,
}

async fn messages(State(desk): Tools, Query(filter): Query<Filter>) -> Json<Value> {
    let limit = filter.limit.unwrap_or(usize::MAX);
    Json(desk.corp().inbox.to_json(filter.user.as_deref(), limit))
}

async fn forget_messages(State(desk): Tools) -> StatusCode {
    desk.corp().inbox.clear();
    StatusCode::NO_CONTENT
}

async fn chats(State(desk): Tools) -> Json<Value> {
    let corp = desk.corp();
    Json(corp.chats.to_json(&corp.roster, &corp.apps))
}

async fn calls(State(desk): Tools, Query(filter): Query<Filter>) -> Json<Value> {
    let limit = filter.limit.unwrap_or(usize::MAX);
    let path = filter.path.as_deref().map(super::call::short);
    Json(desk.ledger().to_json(path, limit))
}

async fn forget_calls(State(desk): Tools) -> StatusCode {
    desk.ledger().clear();
    StatusCode::NO_CONTENT
}

async fn faults(State(desk): Tools) -> Json<Value> {
    Json(json!(desk.faults().rules()))
}

async fn add_fault(State(desk): Tools, order: Result<Json<Order>, JsonRejection>) -> Response {
    let added = order
        .map_err(|rejection| rejection.body_text())
        .and_then(|Json(order)| desk.faults().add(order));
    match added {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

async fn clear_faults(State(desk): Tools) -> StatusCode {
    desk.faults().clear();
    StatusCode::NO_CONTENT
}

async fn modes(State(desk): Tools) -> Json<Value> {
    Json(json!(desk.corp().modes))
}

/// Changes the switches that are named and leaves the others; answers all of them.
async fn change_modes(State(desk): Tools, Json(changes): Json<Value>) -> Response {
    let mut corp = desk.corp();
    match merged(&corp.modes, changes) {
        Ok(modes) => {
            corp.modes = modes;
            Json(json!(corp.modes)).into_response()
        }
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

fn merged(modes: &Modes, changes: Value) -> Result<Modes, String> {
    let Value::Object(changes) = changes else {
        return Err("expected a JSON object of switches".to_owned());
    };
    let mut all = json!(modes);
    if let Some(all) = all.as_object_mut() {
        all.extend(changes);
    }
    serde_json::from_value(all).map_err(|error| error.to_string())
}

async fn kill_tokens(State(desk): Tools) -> StatusCode {
    desk.corp().tokens.kill_all();
    StatusCode::NO_CONTENT
}

async fn expire_tokens(State(desk): Tools) -> StatusCode {
    desk.corp().tokens.expire_all();
    StatusCode::NO_CONTENT
}

async fn reset(State(desk): Tools) -> StatusCode {
    desk.reset();
    StatusCode::NO_CONTENT
}

async fn directory(State(desk): Tools) -> Json<Value> {
    let corp = desk.corp();
    let apps = corp.apps.iter().map(|app| {
        json!({
            "name": app.name,
            "agent_id": app.agent_id,
            "callback_url": app.callback_url,
            "enabled": app.enabled,
            "mini_program": app.mini_program,
            "app_chats": app.app_chats,
            "trusted_domains": app.trusted_domains,
            "visible": app.visible,
        })
    });
    let apps: Value = apps.collect();
    let mut all = json!(corp.roster.directory);
    all["corp_id"] = json!(corp.id);
    all["apps"] = apps;
    Json(all)
}

async fn media(State(desk): Tools) -> Json<Value> {
    Json(desk.corp().shelf.to_json())
}

/// From now on every media_id is unknown, as if three days had passed.
async fn forget_media(State(desk): Tools) -> StatusCode {
    desk.corp().shelf.clear();
    StatusCode::NO_CONTENT
}

async fn pictures(State(desk): Tools) -> Json<Value> {
    Json(desk.corp().gallery.to_json())
}

/// The bytes of an upload. Only pictures are shown; the rest is for saving,
/// since a page among the uploads must not run here.
async fn one_media(State(desk): Tools, Path(id): Path<String>) -> Response {
    let corp = desk.corp();
    let Some(media) = corp.shelf.get(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let content_type = match media.content_type() {
        picture if picture.starts_with("image/") => picture,
        _ => "application/octet-stream",
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
    ];
    (headers, media.bytes.clone()).into_response()
}
