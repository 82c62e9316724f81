//! get_jsapi_ticket and ticket/get.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90506> (read 2026-02).

use std::time::Duration;

use serde_json::Map;

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::login::JsTicket;

pub(super) fn get_js_api_ticket(corp: &mut Corp, app: usize, _: &Call) -> Answer {
    answer(corp, app, JsTicket::Config)
}

pub(super) fn get_ticket(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    match call.query("type") {
        Some("agent_config") => answer(corp, app, JsTicket::AgentConfig),
        _ => Refusal::new(91040, "invalid ticket type").into(),
    }
}

fn answer(corp: &mut Corp, app: usize, kind: JsTicket) -> Answer {
    let life = Duration::from_secs(corp.modes.ticket_expires_in_seconds);
    match corp.logins.js_ticket(app, kind, life) {
        Ok((ticket, expires_in)) => Answer::ok(Map::from_iter([
            ("ticket".into(), ticket.into()),
            ("expires_in".into(), expires_in.into()),
        ])),
        Err(refusal) => refusal.into(),
    }
}
