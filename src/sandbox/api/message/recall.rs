//! message/recall (撤回应用消息).
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/94867> (read 2026-02).
//! That an unknown msgid, and one of another app, gives 40058 is not documented.

use std::time::Duration;

use serde_json::Map;

use super::fields_of;
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::api::fields::text;
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;

/// How long a message can be taken back.
const RECALL_WINDOW: Duration = Duration::from_secs(24 * 3600);

pub(super) fn recall(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    take_back(corp, app, call).unwrap_or_else(Answer::from)
}

fn take_back(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    let body = fields_of(call)?;
    let msgid = text(&body, "msgid");
    let agent_id = corp.apps[app].agent_id;
    let message = corp
        .inbox
        .find(|message| message.has_msgid(msgid) && message.agent_id == agent_id);
    let message = message.ok_or_else(|| Refusal::bad("msgid not exist."))?;
    if message.age(corp.clock) >= RECALL_WINDOW {
        return Err(Refusal::new(42052, "msgid expired"));
    }
    message.recalled = true;
    Ok(Answer::ok(Map::new()))
}
